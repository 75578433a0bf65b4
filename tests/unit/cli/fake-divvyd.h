/* SPDX-License-Identifier: Apache-2.0 */
/* A divvyd that answers what a test told it: it stands in for libdivvy's functions when the command
 * is linked into a test. Scripts and texts are the test's. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "divvy/divvy.h"

struct fake_answer {
	const char *verb, *path;
	const char *document; /* or NULL, then `refusal` */
	struct divvy_error refusal;
};

/* Answers are found by verb and path; the last one stays for further requests. What was asked is
 * kept as lines "VERB PATH BODY". NULL: nothing can be reached. */
void fake_divvyd(const struct fake_answer *answers, size_t count);
/* Asked first, if not NULL: a document (the fake frees it), or NULL for what the script says. */
void fake_divvyd_serve(char *(*serve)(const char *verb, const char *path));
const char *fake_divvyd_asked(void);
/* So many calls lose the connection before they are answered. */
void fake_divvyd_loses(unsigned calls);

/* Where the command finds /proc and /sys; "/" until told. */
void fake_set_root(const char *root);

/* Shorter than in the product, for tests to be short. */
enum { FAKE_PATIENCE_MS = 200 };

/* A whole command: what was printed. */
struct fake_run {
	int status;
	char *out, *err;
	size_t out_len, err_len;
};
/* `words` ends with NULL; "divvy" is put before them. */
void fake_run(struct fake_run *ret, const char *const *words);
void fake_run_fini(struct fake_run *run);
#define FAKE_RUN(run, ...) fake_run(run, (const char *const[]){__VA_ARGS__, NULL})

/* Documents of a small machine: the CPU device with four tenants, or free. */
const char *fake_status(void);
const char *fake_status_free(void);
/* Two H100: one with a 3g.40gb that no lease stands for, one whose MIG mode is off. */
const char *fake_status_mig(void);
const char *fake_leases(void);
const char *fake_gpus(void);
const char *fake_log(void);
const char *fake_who(void);
/* A plan with something of everything, the same with every tenant placed, and one that has nothing
 * to do. */
const char *fake_plan(void);
const char *fake_plan_disturbs(void);
const char *fake_plan_stands(void);
const char *fake_plan_resizes(void);  /* one, and seven more have no place */
const char *fake_plan_ends_all(void); /* of a fleet without tenants */
/* What POST /v1/leases answers, and GET /v1/leases/NAME: a slice called NAME. */
struct dv_api_grant;
struct dv_lease;
struct dv_api_grant fake_grant(const char *name);
char *fake_grant_text(const struct dv_api_grant *grant);
char *fake_lease_text(const struct dv_lease *lease);
