/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a client may send to divvyd: a request, a process, a plan; and as what a client
 * may get: the answers. Refused in words that a terminal can show, or read back as it was. */
#include <string.h>

#include "api/api.h"
#include "fuzz.h"

static void check_refusal(int r, int code, const struct dv_error *err)
{
	FUZZ_REQUIRE(r == code || r == -ENOMEM);
	FUZZ_REQUIRE(err->code == r && err->msg[0]);
	for (const char *s = err->msg; *s; s++)
		FUZZ_REQUIRE((unsigned char)*s >= ' ' && *s != 0x7f);
}

static void request(const char *text, size_t len)
{
	struct dv_lease_request first = {0}, second = {0};
	dv_autofree char *again = NULL;
	struct dv_error err = {0};
	int r = dv_api_request_decode(text, len, &first, &err);

	if (r < 0) {
		check_refusal(r, -EBADMSG, &err);
		return;
	}
	FUZZ_REQUIRE(dv_api_request_encode(&first, &again, NULL) == 0);
	FUZZ_REQUIRE(dv_api_request_decode(again, strlen(again), &second, NULL) == 0);
	FUZZ_REQUIRE(strcmp(first.name, second.name) == 0 && strcmp(first.gpu, second.gpu) == 0);
	FUZZ_REQUIRE(first.memory_bytes == second.memory_bytes);
	FUZZ_REQUIRE(first.compute_mpct == second.compute_mpct);
}

static void plan(const char *text, size_t len)
{
	dv_cleanup(dv_plan_fini) struct dv_plan first = {0}, second = {0};
	dv_autofree char *once = NULL, *twice = NULL;
	struct dv_error err = {0};
	int r = dv_api_plan_decode(text, len, &first, &err);

	if (r < 0) {
		check_refusal(r, -EBADMSG, &err);
		return;
	}
	FUZZ_REQUIRE(dv_api_plan_encode(&first, &once, NULL) == 0);
	FUZZ_REQUIRE(dv_api_plan_decode(once, strlen(once), &second, NULL) == 0);
	FUZZ_REQUIRE(dv_api_plan_encode(&second, &twice, NULL) == 0);
	FUZZ_REQUIRE(strcmp(once, twice) == 0);
}

static void process(const char *text, size_t len)
{
	struct dv_api_process found = {0};
	struct dv_error err = {0};
	int r = dv_api_process_decode(text, len, &found, &err);

	if (r < 0)
		check_refusal(r, -EBADMSG, &err);
	else
		FUZZ_REQUIRE(found.pid > 0);
}

/* `text` ends with a NUL. */
static void answers(const char *text)
{
	dv_autofree struct dv_api_grant *grant = calloc(1, sizeof(*grant));
	struct dv_api_status status = {0};
	struct dv_error said = {0}, err = {0};
	struct dv_api_log log = {0};
	int r = dv_api_status_decode(text, &status, &err);

	if (r < 0)
		check_refusal(r, -EPROTO, &err);
	else
		dv_api_status_fini(&status);
	dv_error_clear(&err);
	r = dv_api_log_decode(text, &log, &err);
	if (r < 0)
		check_refusal(r, -EPROTO, &err);
	else
		dv_vec_fini(&log);
	dv_error_clear(&err);
	r = grant ? dv_api_grant_decode(text, grant, &err) : 0;
	if (r < 0)
		check_refusal(r, -EPROTO, &err);
	dv_error_clear(&err);
	r = dv_api_error_decode(text, &said, &err);
	if (r < 0)
		check_refusal(r, -EPROTO, &err);
	else
		FUZZ_REQUIRE(said.code < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_autofree char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	request(text, size);
	plan(text, size);
	process(text, size);
	answers(text);
	return 0;
}
