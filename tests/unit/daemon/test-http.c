/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/http.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temporary.h"
#include "base/str.h"
#include "wire.h"

/* A server in a thread of its own, which says what it was asked. */
struct fixture {
	char dir[32], path[64];
	sd_event *event;
	struct dv_http *http;
	sd_event_source *stop, *later;
	int stop_fd[2];
	pthread_t thread;
	struct dv_http_limits limits;
	struct dv_request *waiting;
	uid_t uid;	  /* who clients are said to be */
	atomic_uint over; /* calls */
};

static int identify(void *data, int fd, struct dv_identity *ret)
{
	struct fixture *f = data;

	*ret = (struct dv_identity){.uid = f->uid, .pid = 77};
	return f->uid == 666 ? -EPERM : 0;
}

static int admit(void *data, const struct dv_request *request, struct dv_error *err)
{
	if (strcmp(request->path, "/forbidden") == 0)
		return dv_error_rule(err, -EPERM, "S17", "not you");
	return 0;
}

static int on_later(sd_event_source *source, uint64_t usec, void *arg)
{
	struct fixture *f = arg;

	dv_request_answer(take_ptr(f->waiting), 202, strdup("{\"later\":true}"));
	return 0;
}

static void serve(void *data, struct dv_request *request)
{
	struct fixture *f = data;
	struct dv_buf text = {0};
	const char *arg = dv_request_query(request, "a");

	if (strcmp(request->path, "/never") == 0)
		return;
	if (strcmp(request->path, "/later") == 0) {
		f->waiting = request;
		(void)sd_event_source_set_time_relative(f->later, 1000);
		(void)sd_event_source_set_enabled(f->later, SD_EVENT_ONESHOT);
		return;
	}
	if (strcmp(request->path, "/fail") == 0) {
		struct dv_error err = {0};

		dv_error_rule(&err, -ENOSPC, "G01", "no room");
		dv_request_fail(request, &err);
		return;
	}
	dv_buf_addf(&text, "%s %s a=%s uid=%u len=%zu body=%.20s", request->verb, request->path,
		    arg ? arg : "-", request->who.uid, request->body_len, request->body);
	dv_request_answer(request, 200, text.data);
}

static void over(void *data)
{
	struct fixture *f = data;

	atomic_fetch_add(&f->over, 1);
}

static int on_stop(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static void *loop(void *arg)
{
	struct fixture *f = arg;

	(void)sd_event_loop(f->event);
	dv_http_free(f->http);
	return NULL;
}

static const struct dv_http_ops ops = {
	.identify = identify, .admit = admit, .serve = serve, .over = over};

static void start(struct fixture *f)
{
	assert_int_equal(temporary_make(f->dir, sizeof(f->dir), "http"), 0);
	(void)snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	assert_int_equal(pipe(f->stop_fd), 0);
	assert_true(sd_event_new(&f->event) >= 0);
	assert_true(sd_event_add_io(f->event, &f->stop, f->stop_fd[0], EPOLLIN, on_stop, f) >= 0);
	assert_true(sd_event_add_time(f->event, &f->later, CLOCK_MONOTONIC, 0, 1, on_later, f) >=
		    0);
	assert_true(sd_event_source_set_enabled(f->later, SD_EVENT_OFF) >= 0);
	assert_int_equal(
		dv_http_new(f->event, wire_listen(f->path), &f->limits, &ops, f, &f->http, NULL),
		0);
	assert_int_equal(pthread_create(&f->thread, NULL, loop, f), 0);
}

static void ask_to_stop(struct fixture *f)
{
	assert_int_equal(write(f->stop_fd[1], "x", 1), 1);
}

static void stop(struct fixture *f)
{
	ask_to_stop(f);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	sd_event_source_unref(f->stop);
	sd_event_source_unref(f->later);
	sd_event_unref(f->event);
	close(f->stop_fd[0]);
	close(f->stop_fd[1]);
	(void)unlink(f->path);
	(void)rmdir(f->dir);
}

static struct fixture fixture(void)
{
	return (struct fixture){.limits = dv_http_default_limits, .uid = 1000};
}

static void test_answers(void **state)
{
	struct fixture f = fixture();
	char buf[4096];
	int fd;

	start(&f);
	fd = wire_connect(f.path);
	assert_true(fd >= 0);
	/* Three requests on one connection. */
	assert_int_equal(
		wire_ask(fd, "GET /x?a=1%202 HTTP/1.1\r\nHost: d\r\n\r\n", buf, sizeof(buf)), 200);
	assert_non_null(strstr(buf, "GET /x a=1 2 uid=1000 len=0 body="));
	assert_non_null(strstr(buf, "Content-Type: application/json"));
	assert_int_equal(wire_ask(fd,
				  "POST /y HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\nhello",
				  buf, sizeof(buf)),
			 200);
	assert_non_null(strstr(buf, "POST /y a=- uid=1000 len=5 body=hello"));
	assert_int_equal(wire_ask(fd, "GET /later HTTP/1.1\r\nHost: d\r\n\r\n", buf, sizeof(buf)),
			 202);
	assert_non_null(strstr(buf, "{\"later\":true}"));
	close(fd);
	stop(&f);
	assert_int_equal(atomic_load(&f.over), 3);
}

static void test_refusals(void **state)
{
	struct fixture f = fixture();
	char buf[4096];
	int fd;

	start(&f);
	fd = wire_connect(f.path);
	assert_int_equal(wire_ask(fd, "GET /fail HTTP/1.1\r\nHost: d\r\n\r\n", buf, sizeof(buf)),
			 409);
	assert_non_null(strstr(buf, "\"rule\":\"G01\""));
	/* Refused by its head; the body is read all the same, so that the answer is heard. */
	assert_int_equal(
		wire_ask(fd, "POST /forbidden HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\n\r\nabcd",
			 buf, sizeof(buf)),
		403);
	assert_non_null(strstr(buf, "\"rule\":\"S17\""));
	assert_int_equal(wire_ask(fd, "GET /x HTTP/1.1\r\nHost: d\r\n\r\n", buf, sizeof(buf)), 200);
	close(fd);
	stop(&f);
}

static void test_large_body(void **state)
{
	struct fixture f = fixture();
	const size_t most = 100000;
	dv_autofree char *body = calloc(1, most + 1);
	char head[128], buf[4096];
	int fd;

	assert_non_null(body);
	memset(body, 'b', most + 1);
	f.limits.body = most;
	start(&f);
	for (size_t len = most; len <= most + 1; len++) {
		fd = wire_connect(f.path);
		(void)snprintf(head, sizeof(head),
			       "POST /z HTTP/1.1\r\nHost: d\r\nContent-Length: %zu\r\n\r\n", len);
		assert_true(wire_send(fd, head, strlen(head)));
		assert_true(wire_send(fd, body, len));
		assert_int_equal(wire_answer(fd, buf, sizeof(buf)), len > most ? 413 : 200);
		close(fd);
	}
	/* Without a length said before, too. */
	fd = wire_connect(f.path);
	(void)snprintf(head, sizeof(head),
		       "POST /z HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
		       most + 1);
	assert_true(wire_send(fd, head, strlen(head)));
	assert_true(wire_send(fd, body, most + 1));
	assert_true(wire_send(fd, "\r\n0\r\n\r\n", 7));
	assert_int_equal(wire_answer(fd, buf, sizeof(buf)), 413);
	close(fd);
	stop(&f);
}

static void test_all_bodies_together(void **state)
{
	struct fixture f = fixture();
	static const char half[] = "POST /z HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\n"
				   "0123456789012345678901234567890123456789012345678901234567890";
	char buf[4096];
	int first, second;

	f.limits.bodies = 100;
	start(&f);
	first = wire_connect(f.path);
	second = wire_connect(f.path);
	assert_true(wire_send(first, half, strlen(half)));
	/* The first one's part is kept by now, or soon: ask something else in between. */
	int third = wire_connect(f.path);

	assert_int_equal(wire_ask(third, "GET /x HTTP/1.1\r\nHost: d\r\n\r\n", buf, sizeof(buf)),
			 200);
	assert_true(wire_send(second, half, strlen(half)));
	assert_int_equal(
		wire_ask(second, "012345678901234567890123456789012345678", buf, sizeof(buf)), 503);
	assert_int_equal(
		wire_ask(first, "012345678901234567890123456789012345678", buf, sizeof(buf)), 200);
	close(first);
	close(second);
	close(third);
	stop(&f);
}

static void test_slow_clients(void **state)
{
	static const char *const begun[] = {
		"", "GET /x HT", "GET /x HTTP/1.1\r\nHost: d\r\nX-Long: ",
		"POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 10\r\n\r\n123"};
	struct fixture f = fixture();
	char buf[4096];
	int fds[DV_ARRAY_LEN(begun)], idle;

	f.limits.request_ms = 100;
	f.limits.idle_ms = 100;
	start(&f);
	idle = wire_connect(f.path);
	assert_int_equal(wire_ask(idle, "GET /x HTTP/1.1\r\nHost: d\r\n\r\n", buf, sizeof(buf)),
			 200);
	for (size_t i = 0; i < DV_ARRAY_LEN(begun); i++) {
		fds[i] = wire_connect(f.path);
		assert_true(wire_send(fds[i], begun[i], strlen(begun[i])));
	}
	for (size_t i = 0; i < DV_ARRAY_LEN(begun); i++) {
		assert_true(wire_hangs_up(fds[i]));
		close(fds[i]);
	}
	assert_true(wire_hangs_up(idle));
	close(idle);
	stop(&f);
}

/* A client that does not read its answer is let go; others are served meanwhile. */
static void test_unread_answer(void **state)
{
	struct fixture f = fixture();
	char buf[4096];
	bool gone = false;
	int fd, other;

	f.limits.answer_ms = 100;
	start(&f);
	fd = wire_connect(f.path);
	/* So many requests that their answers fill what the kernel keeps for us. */
	while (!gone) {
		static const char ask[] = "GET /x HTTP/1.1\r\nHost: d\r\n\r\n";

		gone = send(fd, ask, strlen(ask), MSG_NOSIGNAL) < 0;
	}
	other = wire_connect(f.path);
	assert_int_equal(wire_ask(other, "GET /x HTTP/1.1\r\nHost: d\r\n\r\n", buf, sizeof(buf)),
			 200);
	close(other);
	close(fd);
	stop(&f);
}

static void test_many_of_one_user(void **state)
{
	struct fixture f = fixture();
	char buf[4096];
	int fds[3];

	f.limits.clients_per_user = 2;
	start(&f);
	for (size_t i = 0; i < 2; i++) {
		fds[i] = wire_connect(f.path);
		assert_int_equal(
			wire_ask(fds[i], "GET /x HTTP/1.1\r\nHost: d\r\n\r\n", buf, sizeof(buf)),
			200);
	}
	fds[2] = wire_connect(f.path);
	assert_true(wire_hangs_up(fds[2]));
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
	stop(&f);
}

static void test_unknown_peer(void **state)
{
	struct fixture f = fixture();
	int fd;

	f.uid = 666;
	start(&f);
	fd = wire_connect(f.path);
	assert_true(wire_hangs_up(fd));
	close(fd);
	stop(&f);
}

/* Garbage, then a good client. */
static void test_garbage(void **state)
{
	struct fixture f = fixture();
	char buf[65536];
	int fd;

	start(&f);
	fd = wire_connect(f.path);
	memset(buf, 'A', sizeof(buf));
	(void)wire_send(fd, buf, sizeof(buf));
	(void)shutdown(fd, SHUT_WR);
	assert_true(wire_hangs_up(fd));
	close(fd);
	fd = wire_connect(f.path);
	assert_int_equal(wire_ask(fd, "GET /x HTTP/1.1\r\nHost: d\r\n\r\n", buf, sizeof(buf)), 200);
	close(fd);
	stop(&f);
}

static void test_stop_while_waiting(void **state)
{
	struct fixture f = fixture();
	char buf[4096];
	int fd;

	start(&f);
	fd = wire_connect(f.path);
	assert_true(wire_send(fd, "GET /never HTTP/1.1\r\nHost: d\r\n\r\n", 33));
	/* The server is in the request when a second one is answered. */
	int other = wire_connect(f.path);

	assert_int_equal(wire_ask(other, "GET /x HTTP/1.1\r\nHost: d\r\n\r\n", buf, sizeof(buf)),
			 200);
	ask_to_stop(&f);
	assert_int_equal(wire_answer(fd, buf, sizeof(buf)), 503);
	assert_non_null(strstr(buf, "divvyd is stopping"));
	close(fd);
	close(other);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),		 cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_large_body),	 cmocka_unit_test(test_all_bodies_together),
		cmocka_unit_test(test_slow_clients),	 cmocka_unit_test(test_unread_answer),
		cmocka_unit_test(test_many_of_one_user), cmocka_unit_test(test_unknown_peer),
		cmocka_unit_test(test_garbage),		 cmocka_unit_test(test_stop_while_waiting),
	};

	return cmocka_run_group_tests_name("daemon/http", tests, NULL, NULL);
}
