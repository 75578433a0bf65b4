/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP on a unix socket, inside divvyd's event loop. The server owns its connections and requests;
 * a request given to `serve` is answered exactly once, at once or later, by one of the two answer
 * functions, and must not be touched after that. Nothing here blocks, and everything a client can
 * do is bounded: how many there are, how long a request or the reading of an answer may take, how
 * much is kept of bodies. Single-threaded. */
#pragma once

#include <systemd/sd-event.h>

#include "base/error.h"
#include "engine/engine.h"

struct dv_http;

struct dv_request {
	const char *verb; /* "GET", ... */
	const char *path;
	struct dv_identity who;
	const char *body; /* NUL-terminated; "" for none */
	size_t body_len;
	bool again; /* the server's user may note here that it has seen the request before */
};

struct dv_http_limits {
	unsigned clients, clients_per_user; /* the latter for all but root */
	size_t body, bodies;		    /* bytes of one body, and of all together */
	unsigned request_ms;		    /* from the first byte to the last of a request */
	unsigned answer_ms;		    /* for reading an answer */
	unsigned idle_ms;		    /* between requests */
};

extern const struct dv_http_limits dv_http_default_limits;

struct dv_http_ops {
	/* Who is at the other end? Once for each connection; negative: hang up. */
	int (*identify)(void *data, int fd, struct dv_identity *ret);
	/* The head of a request is here: negative refuses it before its body is kept. */
	int (*admit)(void *data, const struct dv_request *request, struct dv_error *err);
	void (*serve)(void *data, struct dv_request *request);
	/* A request is over; NULL: nobody wants to know. */
	void (*over)(void *data);
};

/* `listen_fd` is taken, on failure too. */
int dv_http_new(sd_event *event, int listen_fd_take, const struct dv_http_limits *limits,
		const struct dv_http_ops *ops, void *data, struct dv_http **ret,
		struct dv_error *err) DV_MUST_CHECK;
/* Requests still under way are answered that divvyd is stopping. */
void dv_http_free(struct dv_http *http);
DV_DEFINE_FREEP(struct dv_http, dv_http_free)

/* Requests begun and not over. */
unsigned dv_http_requests(const struct dv_http *http);

/* The value of a query argument, or NULL; valid until the answer. */
const char *dv_request_query(const struct dv_request *request, const char *name);
/* The same as a number from 0 to `most`, `fallback` when it is not there; -EINVAL. */
int dv_request_number(const struct dv_request *request, const char *name, int64_t most,
		      int64_t fallback, int64_t *ret, struct dv_error *err) DV_MUST_CHECK;

void dv_request_answer(struct dv_request *request, int status, char *text_take);
/* As dv_request_answer with another type than JSON. */
void dv_request_answer_text(struct dv_request *request, const char *type, char *text_take);
/* Answer with an error document and the HTTP status of its class. */
void dv_request_fail(struct dv_request *request, const struct dv_error *error);
