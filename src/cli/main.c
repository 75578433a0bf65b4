/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/run_cuda.h"

int main(int argc, char **argv)
{
	const struct dv_cli_env env = {stdout, stderr, "/", DV_PATIENCE_MS};

	/* Not a verb: `divvy run` starts itself like this in a lease, and asks divvyd about it. */
	if (argc == 5 && strcmp(argv[1], DV_CUDA_PROBE) == 0)
		return dv_cuda_probe_main(argv[2], argv[3], argv[4]);
	/* Characters and nothing else: numbers stay as everywhere. */
	(void)setlocale(LC_CTYPE, "");
	return dv_cli_main(argc, argv, &env);
}
