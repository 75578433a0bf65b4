/* SPDX-License-Identifier: Apache-2.0 */
/* The public header is plain C99, and a program that knows nothing else links and runs. */
#include <divvy/divvy.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	struct divvy_client *client = NULL;
	struct divvy_error error;

	if (strcmp(divvy_version(), DIVVY_VERSION) != 0)
		return 1;
	if (divvy_connect("/nonexistent/divvyd.sock", DIVVY_CONNECT_NO_START, &client, &error) >= 0)
		return 1;
	printf("exit status %d: %s\n", error.exit_status, error.message);
	return error.exit_status == 5 ? 0 : 1;
}
