// SPDX-License-Identifier: Apache-2.0
/*
 * libmicrohttpd is linked in, without GnuTLS. Debian builds it with TLS, which nothing here asks it for
 * (docs/security.md); opened as a shared library it would bring GnuTLS and eight more libraries into each
 * process, to be mapped, bound and started: 2.3 MB. So the names it refers to are here: its own start and end
 * find nothing to do, and the rest is behind a flag that is never set. Hidden, so that a library opened later
 * (src/base/late.h) that brings the true GnuTLS finds that one.
 */
#include <stdlib.h>

#pragma GCC visibility push(hidden)

#define NEVER(name)                                                                                          \
    _Noreturn void name(void);                                                                               \
    _Noreturn void name(void)                                                                                \
    {                                                                                                        \
        abort();                                                                                             \
    }

int gnutls_global_init(void);
void gnutls_global_deinit(void);

int gnutls_global_init(void)
{
    return 0;
}

void gnutls_global_deinit(void)
{
}

NEVER(gnutls_alpn_set_protocols)
NEVER(gnutls_bye)
NEVER(gnutls_certificate_allocate_credentials)
NEVER(gnutls_certificate_free_credentials)
NEVER(gnutls_certificate_server_set_request)
NEVER(gnutls_certificate_set_dh_params)
NEVER(gnutls_certificate_set_retrieve_function2)
NEVER(gnutls_certificate_set_retrieve_function3)
NEVER(gnutls_certificate_set_x509_key_mem)
NEVER(gnutls_certificate_set_x509_key_mem2)
NEVER(gnutls_certificate_set_x509_trust_mem)
NEVER(gnutls_cipher_get)
NEVER(gnutls_credentials_set)
NEVER(gnutls_deinit)
NEVER(gnutls_dh_params_deinit)
NEVER(gnutls_dh_params_import_pkcs3)
NEVER(gnutls_dh_params_init)
NEVER(gnutls_handshake)
NEVER(gnutls_init)
NEVER(gnutls_priority_deinit)
NEVER(gnutls_priority_init)
NEVER(gnutls_priority_set)
NEVER(gnutls_protocol_get_version)
NEVER(gnutls_psk_allocate_server_credentials)
NEVER(gnutls_psk_free_server_credentials)
NEVER(gnutls_psk_set_server_credentials_function)
NEVER(gnutls_record_check_pending)
NEVER(gnutls_record_get_direction)
NEVER(gnutls_record_recv)
NEVER(gnutls_record_send)
NEVER(gnutls_session_get_ptr)
NEVER(gnutls_session_set_ptr)
NEVER(gnutls_strerror)
NEVER(gnutls_transport_set_int2)

/* A variable: the function GnuTLS allocates by. */
extern void *(*gnutls_malloc)(size_t);
void *(*gnutls_malloc)(size_t) = NULL;

#pragma GCC visibility pop
