// SPDX-License-Identifier: Apache-2.0
/* machine.h: what the machine lets this process have. Asked at a start, to size what is kept in memory. */
#ifndef TROTH_MACHINE_H
#define TROTH_MACHINE_H

#include <stdint.h>

#define MACHINE_UNBOUNDED UINT64_MAX

/* Bytes of memory: the machine's, or less where the group of processes it runs in (cgroups of either version:
 * a container, a unit with MemoryMax= or MemoryHigh=) may have less. */
uint64_t machine_memory(void);
/* Bytes that may be locked against being written to swap: RLIMIT_MEMLOCK, or MACHINE_UNBOUNDED where it has
 * no end or does not hold for us (CAP_IPC_LOCK). */
uint64_t machine_lockable(void);

#endif
