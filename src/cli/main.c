/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
	const struct dv_cli_env env = {stdout, stderr, "/", DV_PATIENCE_MS};

	/* Characters and nothing else: numbers stay as everywhere. */
	(void)setlocale(LC_CTYPE, "");
	return dv_cli_main(argc, argv, &env);
}
