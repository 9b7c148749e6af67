// SPDX-License-Identifier: MIT
/*
 * When certificates end: see metrics.h. gRPC verifies certificates; OpenSSL, which it uses, reads
 * the time here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

#include "metrics.h"

int certificate_expiry(const char *pem, int64_t *ret_seconds)
{
	BIO *file = BIO_new_mem_buf(pem, -1);
	int64_t first = INT64_MAX;
	X509 *certificate;
	int r = 0;

	if (!file)
		return -ENOMEM;
	while (r == 0 && (certificate = PEM_read_bio_X509(file, NULL, NULL, NULL))) {
		struct tm tm;

		if (!ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm))
			r = -EBADMSG;
		else if (timegm(&tm) < first)
			first = timegm(&tm);
		X509_free(certificate);
	}
	/* Every file ends in the error that no certificate begins there. */
	if (first == INT64_MAX || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		r = -EBADMSG;
	ERR_clear_error();
	BIO_free(file);
	if (r == 0)
		*ret_seconds = first;
	return r;
}
