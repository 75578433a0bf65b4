/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of libdivvy share. A client owns its curl handle and remembers where it connects;
 * the listener's identity is checked on every new connection. */
#pragma once

#include <curl/curl.h>
#include <sys/un.h>

#include "base/error.h"
#include "divvy/divvy.h"

/* The longest name of a socket, with its NUL. */
enum { DV_CLIENT_PATH_SIZE = sizeof(((struct sockaddr_un *)0)->sun_path) };

struct divvy_client {
	char path[DV_CLIENT_PATH_SIZE];
	CURL *curl;
	int fd; /* curl's newest connection; curl closes it */
};

/* Connect to the socket and check that its listener is root or the caller. -ECONNREFUSED when
 * nobody listens, -EPERM (rule S03) when somebody else does. Returns a descriptor. */
int dv_client_dial(const char *path, struct dv_error *err) DV_MUST_CHECK;
int dv_client_check_peer(int fd, const char *path, struct dv_error *err) DV_MUST_CHECK;

/* A divvyd of the caller's. */
struct dv_client_own {
	const char *dir;	    /* where its sockets are; NULL: the usual place */
	const char *const *options; /* more options to start it with, or NULL */
};

/* Connect to it, starting it when it is not there. Fills `path`; returns a descriptor. With `start`
 * false nothing is started. */
int dv_client_dial_own(const struct dv_client_own *own, char *path, size_t size, bool start,
		       struct dv_error *err) DV_MUST_CHECK;

/* Prepare the client's curl handle; needs its path. */
int dv_client_http_init(struct divvy_client *client, struct dv_error *err) DV_MUST_CHECK;
int dv_client_http_call(struct divvy_client *client, const char *verb, const char *path,
			const char *body, char **ret_answer, struct dv_error *err) DV_MUST_CHECK;
