/* SPDX-License-Identifier: Apache-2.0 */
/* libdivvy: a client of divvyd. Unstable until 1.0.
 *
 * Every call is one HTTP request with JSON over divvyd's unix socket; docs/api.md describes paths
 * and documents. Handles and texts belong to the caller. Functions return 0, or a negative errno
 * with the record filled in (it may be NULL). A handle is for one thread at a time. */
#ifndef DIVVY_DIVVY_H
#define DIVVY_DIVVY_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this header; divvy_version() is the library's. */
#define DIVVY_VERSION "0.1.0"

struct divvy_client;

struct divvy_error {
	int code;	 /* negative errno */
	int exit_status; /* what the divvy command would end with */
	char name[24];	 /* "refused", "invalid", ... */
	char rule[24];	 /* id for `divvy explain`, or "" */
	char message[464];
	char fix[464];	  /* what to do, or "" */
	char file[192];	  /* of something a person wrote, or "" */
	int line, column; /* in it; 0: unknown */
};

enum divvy_connect_flags {
	DIVVY_CONNECT_NO_START = 1 /* do not start a per-user divvyd when none can be reached */
};

const char *divvy_version(void);

/* Reach divvyd, whose socket must be root's or the caller's own: at `socket_path`, or with NULL the
 * system's (/run/divvy/divvyd.sock), else the user's, which is started when it is not there (root's
 * is the system's). Waits at most about 5 s. -ECONNREFUSED (exit status 5) when there is none,
 * -EPERM with rule S03 for somebody else's. */
int divvy_connect(const char *socket_path, unsigned flags, struct divvy_client **ret_client,
		  struct divvy_error *error);
/* Reach a private divvyd whose sockets are in `run_dir` (a directory of the caller's, absolute),
 * which is started with these further options (NULL-terminated, see divvyd(8)) when it is not
 * there, and ends by itself when idle. Else as divvy_connect. */
int divvy_connect_private(const char *run_dir, const char *const *options,
			  struct divvy_client **ret_client, struct divvy_error *error);
void divvy_close(struct divvy_client *client);
/* The socket that was reached. */
const char *divvy_socket_path(const struct divvy_client *client);

/* One request: `verb` is GET, POST, PUT or DELETE, `path` begins with /v1/, `body` is JSON text or
 * NULL. *ret_answer (free with divvy_free) is the document; an error document becomes `error`.
 * *ret_answer is untouched on failure. */
int divvy_call(struct divvy_client *client, const char *verb, const char *path, const char *body,
	       char **ret_answer, struct divvy_error *error);
void divvy_free(void *text);

#ifdef __cplusplus
}
#endif

#endif
