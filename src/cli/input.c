/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/input.h"

#include "base/file.h"

int dv_input_read(const char *path, size_t most, char **ret_text, size_t *ret_len,
		  struct dv_error *err)
{
	struct dv_error why = {0};
	int r = dv_file_read(path, most, ret_text, ret_len, &why);

	if (r == 0)
		return 0;
	if (r == -ENOMEM)
		return dv_error_set(err, r, "%s", why.msg);
	if (r == -E2BIG) {
		r = dv_error_rule(err, r, "F14", "%s", why.msg);
		return dv_error_fix(err, r, "check that %s is the file you mean", path);
	}
	r = dv_error_set(err, -EBADMSG, "%s", why.msg);
	return dv_error_fix(err, r, "check the name, and that you may read it");
}
