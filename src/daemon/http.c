/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/http.h"

#include <malloc.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"

const struct dv_http_limits dv_http_default_limits = {
	.clients = DV_HTTP_CLIENTS_MOST,
	.clients_per_user = DV_HTTP_CLIENTS_MOST / 4,
	.body = DV_HTTP_BODY_MOST,
	.bodies = (size_t)4 * DV_HTTP_BODY_MOST,
	.request_ms = 10000,
	.answer_ms = 10000,
	.idle_ms = 60000,
};

/* What MHD may keep of one connection: request head and buffers. */
enum { POOL_BYTES = 16 << 10, TRIM_BYTES = 256 << 10, RUNS_MOST = 16, TIMER_SLACK_US = 50000 };

struct connection {
	struct connection *next, *prev;
	struct dv_http *http;
	int fd;
	struct dv_identity who;
	uint64_t deadline_ns; /* UINT64_MAX: divvyd works, the client waits */
};

/* `pub` is first: what users hold is what we hold. */
struct request {
	struct dv_request pub;
	struct request *next, *prev;
	struct dv_http *http;
	struct connection *connection;
	struct MHD_Connection *mhd;
	char verb[8];
	char *path;
	struct dv_buf body;
	struct dv_error refused; /* code 0: not */
	bool serving, suspended, answered, queued;
	int status;
	const char *type;
	char *text;
	size_t answer_bytes;
};

struct dv_http {
	sd_event_source *io, *timer, *again;
	struct MHD_Daemon *mhd;
	struct dv_http_limits limits;
	struct dv_http_ops ops;
	void *data;
	struct connection *connections;
	struct request *requests;
	unsigned request_count;
	size_t bodies; /* bytes kept now */
	uint64_t timer_ns;
	bool stopping;
};

#define LINK(list, item)                                                                           \
	do {                                                                                       \
		(item)->next = (list);                                                             \
		(item)->prev = NULL;                                                               \
		if (list)                                                                          \
			(list)->prev = (item);                                                     \
		(list) = (item);                                                                   \
	} while (0)

#define UNLINK(list, item)                                                                         \
	do {                                                                                       \
		if ((item)->prev)                                                                  \
			(item)->prev->next = (item)->next;                                         \
		else                                                                               \
			(list) = (item)->next;                                                     \
		if ((item)->next)                                                                  \
			(item)->next->prev = (item)->prev;                                         \
	} while (0)

/* Arm the one timer for the earliest deadline; it may fire early, and then is armed again. */
static void set_deadline(struct connection *connection, unsigned ms)
{
	struct dv_http *http = connection->http;

	connection->deadline_ns = dv_now_ns() + ms * DV_NS_PER_MS;
	if (connection->deadline_ns >= http->timer_ns)
		return;
	http->timer_ns = connection->deadline_ns;
	(void)sd_event_source_set_time(http->timer, http->timer_ns / DV_NS_PER_US);
	(void)sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT);
}

static void hang_up(struct connection *connection)
{
	/* MHD sees the end of the stream, and closes. */
	(void)shutdown(connection->fd, SHUT_RDWR);
	connection->deadline_ns = UINT64_MAX;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct dv_http *http = arg;
	uint64_t now = dv_now_ns(), next = UINT64_MAX;

	for (struct connection *c = http->connections; c; c = c->next) {
		if (c->deadline_ns <= now)
			hang_up(c);
		next = DV_MIN(next, c->deadline_ns);
	}
	http->timer_ns = next;
	if (next == UINT64_MAX)
		return 0;
	(void)sd_event_source_set_time(source, next / DV_NS_PER_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void run(struct dv_http *http)
{
	MHD_UNSIGNED_LONG_LONG wait = 1;

	for (unsigned i = 0; i < RUNS_MOST; i++) {
		(void)MHD_run(http->mhd);
		if (MHD_get_timeout(http->mhd, &wait) != MHD_YES || wait > 0)
			return;
	}
	/* Let others have a turn before going on. */
	(void)sd_event_source_set_enabled(http->again, SD_EVENT_ONESHOT);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	run(arg);
	return 0;
}

static int on_again(sd_event_source *source, void *arg)
{
	run(arg);
	return 0;
}

static unsigned connections_of(const struct dv_http *http, uid_t uid)
{
	unsigned count = 0;

	for (const struct connection *c = http->connections; c; c = c->next)
		count += c->who.uid == uid;
	return count;
}

static void connected(struct dv_http *http, struct MHD_Connection *mhd, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection || http->ops.identify(http->data, info->connect_fd, &connection->who) < 0 ||
	    (connection->who.uid != 0 &&
	     connections_of(http, connection->who.uid) >= http->limits.clients_per_user)) {
		(void)shutdown(info->connect_fd, SHUT_RDWR);
		free(connection);
		return;
	}
	connection->http = http;
	connection->fd = info->connect_fd;
	LINK(http->connections, connection);
	set_deadline(connection, http->limits.request_ms);
	*context = connection;
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct dv_http *http = arg;
	struct connection *connection = *context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		connected(http, mhd, context);
	} else if (connection) {
		UNLINK(http->connections, connection);
		free(connection);
		*context = NULL;
	}
}

static void request_free(struct request *request)
{
	struct dv_http *http = request->http;

	UNLINK(http->requests, request);
	http->request_count--;
	http->bodies -= request->body.len;
	dv_buf_fini(&request->body);
	free(request->path);
	free(request->text);
	free(request);
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **context,
			 enum MHD_RequestTerminationCode how)
{
	struct request *request = *context;
	struct dv_http *http = arg;
	bool large;

	if (!request)
		return;
	*context = NULL;
	set_deadline(request->connection, http->limits.idle_ms);
	large = request->body.len > TRIM_BYTES || request->answer_bytes > TRIM_BYTES;
	request_free(request);
	/* A large document is thousands of small pieces; what is free among them does not go back
	 * by itself. */
	if (large)
		(void)malloc_trim(TRIM_BYTES);
	if (http->ops.over && !http->stopping)
		http->ops.over(http->data);
}

static struct request *request_new(struct dv_http *http, struct MHD_Connection *mhd,
				   const char *path, const char *verb)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *request;

	if (!info || !info->socket_context)
		return NULL;
	request = calloc(1, sizeof(*request));
	if (!request)
		return NULL;
	request->path = strdup(path);
	if (!request->path) {
		free(request);
		return NULL;
	}
	(void)dv_copy(request->verb, sizeof(request->verb), verb);
	request->http = http;
	request->connection = info->socket_context;
	request->mhd = mhd;
	request->pub = (struct dv_request){.verb = request->verb,
					   .path = request->path,
					   .who = request->connection->who,
					   .body = ""};
	LINK(http->requests, request);
	http->request_count++;
	return request;
}

static void keep_body(struct request *request, const char *data, size_t len)
{
	struct dv_http *http = request->http;

	if (request->refused.code)
		return; /* read on, keep nothing, so that the client comes to hear why */
	if (request->body.len + len > http->limits.body) {
		dv_error_set(&request->refused, -E2BIG,
			     "the request's body is larger than the limit of %zu KiB",
			     http->limits.body >> 10);
	} else if (http->bodies + len > http->limits.bodies) {
		dv_error_set(&request->refused, -ENOMEM,
			     "too many large requests at once; try again");
	} else {
		size_t before = request->body.len;

		dv_buf_add_n(&request->body, data, len);
		http->bodies += request->body.len - before;
		if (request->body.failed)
			dv_error_set(&request->refused, -ENOMEM, "no memory for a request's body");
	}
}

static enum MHD_Result queue_answer(struct request *request)
{
	struct MHD_Response *response;
	enum MHD_Result r = MHD_NO;
	char *text = take_ptr(request->text);

	if (!text)
		return MHD_NO;
	request->answer_bytes = strlen(text);
	response =
		MHD_create_response_from_buffer(request->answer_bytes, text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	request->queued = true;
	set_deadline(request->connection, request->http->limits.answer_ms);
	if (MHD_add_response_header(response, "Content-Type", request->type) == MHD_YES)
		r = MHD_queue_response(request->mhd, (unsigned)request->status, response);
	MHD_destroy_response(response);
	return r;
}

/* The request is here whole: serve it, and either answer now or wait until it is answered. */
static enum MHD_Result whole(struct request *request)
{
	struct dv_http *http = request->http;

	if (request->answered)
		return queue_answer(request);
	request->connection->deadline_ns = UINT64_MAX;
	request->serving = true;
	if (request->refused.code) {
		dv_request_fail(&request->pub, &request->refused);
	} else {
		if (request->body.data)
			request->pub.body = request->body.data;
		request->pub.body_len = request->body.len;
		http->ops.serve(http->data, &request->pub);
	}
	request->serving = false;
	if (request->answered)
		return queue_answer(request);
	request->suspended = true;
	MHD_suspend_connection(request->mhd);
	return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *path,
				  const char *verb, const char *version, const char *data,
				  size_t *len, void **context)
{
	struct request *request = *context;
	struct dv_http *http = arg;

	if (!request) {
		request = request_new(http, mhd, path, verb);
		if (!request)
			return MHD_NO;
		*context = request;
		set_deadline(request->connection, http->limits.request_ms);
		(void)http->ops.admit(http->data, &request->pub, &request->refused);
		return MHD_YES;
	}
	if (*len) {
		keep_body(request, data, *len);
		*len = 0;
		return MHD_YES;
	}
	return whole(request);
}

static void answer(struct dv_request *pub, int status, const char *type, char *text_take)
{
	struct request *request = (struct request *)pub;

	if (request->answered) {
		free(text_take);
		return;
	}
	request->answered = true;
	request->status = status;
	request->type = type;
	request->text = text_take;
	if (request->serving)
		return;
	request->suspended = false;
	MHD_resume_connection(request->mhd);
	/* Without a thread of its own MHD wakes nobody. */
	(void)sd_event_source_set_enabled(request->http->again, SD_EVENT_ONESHOT);
}

void dv_request_answer(struct dv_request *request, int status, char *text_take)
{
	answer(request, status, "application/json", text_take);
}

void dv_request_answer_text(struct dv_request *request, const char *type, char *text_take)
{
	answer(request, MHD_HTTP_OK, type, text_take);
}

void dv_request_fail(struct dv_request *request, const struct dv_error *error)
{
	char *text = NULL;

	/* Without memory for the document the connection ends without an answer. */
	if (dv_api_error_encode(error, &text) < 0)
		text = NULL;
	answer(request, dv_error_class(error->code)->http_status, "application/json", text);
}

const char *dv_request_query(const struct dv_request *request, const char *name)
{
	return MHD_lookup_connection_value(((const struct request *)request)->mhd,
					   MHD_GET_ARGUMENT_KIND, name);
}

int dv_request_number(const struct dv_request *request, const char *name, int64_t most,
		      int64_t fallback, int64_t *ret, struct dv_error *err)
{
	const char *text = dv_request_query(request, name);
	long long value;
	char *end;

	if (!text) {
		*ret = fallback;
		return 0;
	}
	errno = 0;
	value = strtoll(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value > most)
		return dv_error_set(err, -EINVAL, "%s is a number from 0 to %lld, not '%.40s'",
				    name, (long long)most, text);
	*ret = value;
	return 0;
}

unsigned dv_http_requests(const struct dv_http *http)
{
	return http->request_count;
}

static struct MHD_Daemon *start_mhd(struct dv_http *http, int listen_fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
				http, MHD_OPTION_LISTEN_SOCKET, listen_fd,
				MHD_OPTION_CONNECTION_LIMIT, http->limits.clients,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
}

static int add_sources(sd_event *event, struct dv_http *http)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	int r;

	if (!info)
		return -EIO;
	r = sd_event_add_io(event, &http->io, info->epoll_fd, EPOLLIN, on_ready, http);
	r = r < 0 ? r
		  : sd_event_add_time(event, &http->timer, CLOCK_MONOTONIC, 0, TIMER_SLACK_US,
				      on_timer, http);
	r = r < 0 ? r : sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
	r = r < 0 ? r : sd_event_add_defer(event, &http->again, on_again, http);
	return r < 0 ? r : sd_event_source_set_enabled(http->again, SD_EVENT_OFF);
}

int dv_http_new(sd_event *event, int listen_fd_take, const struct dv_http_limits *limits,
		const struct dv_http_ops *ops, void *data, struct dv_http **ret,
		struct dv_error *err)
{
	dv_autoclose int listen_fd = listen_fd_take;
	dv_cleanup(dv_http_freep) struct dv_http *http = calloc(1, sizeof(*http));
	int r;

	if (!http)
		return dv_error_set(err, -ENOMEM, "no memory for the HTTP server");
	http->limits = *limits;
	http->ops = *ops;
	http->data = data;
	http->timer_ns = UINT64_MAX;
	http->mhd = start_mhd(http, listen_fd);
	if (!http->mhd)
		return dv_error_set(err, -EIO, "the HTTP server could not be started");
	(void)take_fd(listen_fd); /* MHD's now */
	r = add_sources(event, http);
	if (r < 0)
		return dv_error_errno(err, -r, "watching the HTTP server");
	*ret = take_ptr(http);
	return 0;
}

/* MHD will not stop while a connection waits. */
static void answer_all(struct dv_http *http)
{
	struct dv_error stopping = {0};

	dv_error_set(&stopping, -ECONNREFUSED, "divvyd is stopping");
	for (struct request *r = http->requests, *next; r; r = next) {
		next = r->next;
		if (r->suspended)
			dv_request_fail(&r->pub, &stopping);
	}
	for (unsigned i = 0; i < RUNS_MOST; i++)
		(void)MHD_run(http->mhd);
}

void dv_http_free(struct dv_http *http)
{
	if (!http)
		return;
	http->stopping = true;
	if (http->mhd) {
		answer_all(http);
		MHD_stop_daemon(http->mhd);
	}
	(void)sd_event_source_disable_unref(http->io);
	(void)sd_event_source_disable_unref(http->timer);
	(void)sd_event_source_disable_unref(http->again);
	free(http);
}
