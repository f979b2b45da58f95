// SPDX-License-Identifier: Apache-2.0
/* store_pg_lib.h: libpq, opened by a daemon whose database is on a server (late.h). */
#ifndef TROTH_STORE_PG_LIB_H
#define TROTH_STORE_PG_LIB_H

#include "late.h"

#include <libpq-fe.h>

/* What is called of it. (clang-format lays such a list out differently each time.) */
// clang-format off
#define PG_FUNCTIONS(X) \
    X(PQbackendPID) X(PQclear) X(PQcmdTuples) X(PQconnectdbParams) \
    X(PQconsumeInput) X(PQdb) X(PQenterPipelineMode) X(PQerrorMessage) X(PQexec) \
    X(PQexitPipelineMode) X(PQfinish) X(PQfreemem) X(PQgetResult) X(PQgetisnull) X(PQgetlength) \
    X(PQgetvalue) X(PQisBusy) X(PQnfields) X(PQnotifies) X(PQntuples) X(PQpipelineSync) \
    X(PQputCopyData) X(PQputCopyEnd) X(PQresultErrorField) X(PQresultStatus) X(PQsendPrepare) \
    X(PQsendQuery) X(PQsendQueryParams) \
    X(PQsendQueryPrepared) X(PQserverVersion) X(PQsetNoticeProcessor) X(PQsocket) X(PQstatus)
// clang-format on

struct pg_lib {
    PG_FUNCTIONS(LATE_MEMBER)
};
extern struct pg_lib pg_lib;
/* Before anything is called; once is enough. */
enum err pg_lib_open(struct fail *f);

#ifndef PG_LIB_TABLE
#define PQbackendPID         pg_lib.PQbackendPID
#define PQclear              pg_lib.PQclear
#define PQcmdTuples          pg_lib.PQcmdTuples
#define PQconnectdbParams    pg_lib.PQconnectdbParams
#define PQconsumeInput       pg_lib.PQconsumeInput
#define PQdb                 pg_lib.PQdb
#define PQenterPipelineMode  pg_lib.PQenterPipelineMode
#define PQerrorMessage       pg_lib.PQerrorMessage
#define PQexec               pg_lib.PQexec
#define PQexitPipelineMode   pg_lib.PQexitPipelineMode
#define PQfinish             pg_lib.PQfinish
#define PQfreemem            pg_lib.PQfreemem
#define PQgetResult          pg_lib.PQgetResult
#define PQgetisnull          pg_lib.PQgetisnull
#define PQgetlength          pg_lib.PQgetlength
#define PQgetvalue           pg_lib.PQgetvalue
#define PQisBusy             pg_lib.PQisBusy
#define PQnfields            pg_lib.PQnfields
#define PQnotifies           pg_lib.PQnotifies
#define PQntuples            pg_lib.PQntuples
#define PQpipelineSync       pg_lib.PQpipelineSync
#define PQputCopyData        pg_lib.PQputCopyData
#define PQputCopyEnd         pg_lib.PQputCopyEnd
#define PQresultErrorField   pg_lib.PQresultErrorField
#define PQresultStatus       pg_lib.PQresultStatus
#define PQsendPrepare        pg_lib.PQsendPrepare
#define PQsendQuery          pg_lib.PQsendQuery
#define PQsendQueryParams    pg_lib.PQsendQueryParams
#define PQsendQueryPrepared  pg_lib.PQsendQueryPrepared
#define PQserverVersion      pg_lib.PQserverVersion
#define PQsetNoticeProcessor pg_lib.PQsetNoticeProcessor
#define PQsocket             pg_lib.PQsocket
#define PQstatus             pg_lib.PQstatus
#endif

#endif
