/* SPDX-License-Identifier: Apache-2.0 */
/* divvyd, as the verbs use it: connected once for each command, when first needed. Answers are the
 * caller's to free. */
#pragma once

#include "cli/cli.h"

/* For an answer: `dv_cleanup(dv_answer_freep) char *answer = NULL;`. */
static inline DV_UNUSED void dv_answer_freep(char **answer)
{
	divvy_free(*answer);
}

/* Ask divvyd; -ECONNREFUSED when there is none, else its refusal as it is. A divvyd that ends
 * between the connection and its first answer is connected to (or started) once more, if this only
 * reads: what changes something may have been done. `fmt` makes the path; names in it are checked
 * by the caller (dv_is_name). */
int dv_remote_get(struct dv_cli *cli, char **ret_answer, struct dv_error *err, const char *fmt,
		  ...) DV_MUST_CHECK DV_PRINTF(4, 5);
int dv_remote_call(struct dv_cli *cli, const char *verb, const char *path, const char *body,
		   char **ret_answer, struct dv_error *err) DV_MUST_CHECK;

/* A failure of libdivvy's, in our record. Returns its code. */
int dv_remote_adopt(const struct divvy_error *from, int r, struct dv_error *err);

/* Print divvyd's document as it came, on one line. */
void dv_remote_print(struct dv_cli *cli, const char *document);

/* A name that may stand in a path; -EINVAL that says what a name is. */
int dv_remote_check_name(const char *name, struct dv_error *err) DV_MUST_CHECK;
