/* SPDX-License-Identifier: Apache-2.0 */
/* libdivvy against a server that says what the test wants. */
#include "divvy/divvy.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temporary.h"

struct server {
	char dir[32], path[64];
	int fd;
	pthread_t thread;
	const char *answer; /* the whole HTTP answer; NULL: hang up at once */
	char request[4096]; /* the last one */
};

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 8) < 0)
		return -1;
	return fd;
}

static bool whole(const char *request)
{
	const char *end = strstr(request, "\r\n\r\n");
	const char *length = strstr(request, "Content-Length: ");

	return end && (!length || strlen(end + 4) >= strtoul(length + 16, NULL, 10));
}

static void *serve(void *arg)
{
	struct server *server = arg;
	int fd;

	while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
		size_t len = 0;

		memset(server->request, 0, sizeof(server->request));
		while (server->answer && !whole(server->request)) {
			ssize_t n =
				read(fd, server->request + len, sizeof(server->request) - 1 - len);

			if (n <= 0)
				break;
			len += (size_t)n;
		}
		if (server->answer)
			(void)!send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static int start_server(void **state)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return -1;
	if (temporary_make(server->dir, sizeof(server->dir), "call") < 0)
		return -1;
	(void)snprintf(server->path, sizeof(server->path), "%s/s", server->dir);
	server->fd = listen_at(server->path);
	*state = server;
	return server->fd < 0 ? -1 : pthread_create(&server->thread, NULL, serve, server);
}

static int stop_server(void **state)
{
	struct server *server = *state;

	(void)shutdown(server->fd, SHUT_RDWR);
	(void)pthread_join(server->thread, NULL);
	close(server->fd);
	(void)unlink(server->path);
	(void)rmdir(server->dir);
	free(server);
	return 0;
}

static int call(struct server *server, const char *answer, const char *body, char **ret,
		struct divvy_error *error)
{
	struct divvy_client *client = NULL;
	int r;

	server->answer = answer;
	r = divvy_connect(server->path, 0, &client, error);
	if (r < 0)
		return r;
	assert_string_equal(divvy_socket_path(client), server->path);
	r = divvy_call(client, body ? "POST" : "GET", "/v1/leases?a=1", body, ret, error);
	divvy_close(client);
	return r;
}

#define HTTP(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body

static void test_get(void **state)
{
	struct server *server = *state;
	char *answer = NULL;

	assert_int_equal(call(server, HTTP("200 OK", "{\"a\":1}"), NULL, &answer, NULL), 0);
	assert_string_equal(answer, "{\"a\":1}");
	divvy_free(answer);
	assert_ptr_equal(strstr(server->request, "GET /v1/leases?a=1 HTTP/1.1\r\n"),
			 server->request);
}

static void test_post(void **state)
{
	struct server *server = *state;
	char *answer = NULL;

	assert_int_equal(call(server, HTTP("201 Created", "x"), "{\"b\":2}", &answer, NULL), 0);
	divvy_free(answer);
	assert_ptr_equal(strstr(server->request, "POST /v1/leases?a=1 HTTP/1.1\r\n"),
			 server->request);
	assert_non_null(strstr(server->request, "Content-Type: application/json\r\n"));
	assert_null(strstr(server->request, "Expect"));
	assert_non_null(strstr(server->request, "\r\n\r\n{\"b\":2}"));
}

static void test_error_document(void **state)
{
	struct divvy_error error;
	char *answer = (char *)"untouched";
	int r = call(
		*state,
		HTTP("409 Conflict",
		     "{\"schema\":\"divvy/error/1\",\"code\":\"does-not-fit\",\"rule\":\"G01\","
		     "\"message\":\"no room\",\"fix\":\"ask for less\",\"file\":\"f.yaml\","
		     "\"line\":3,\"column\":9}"),
		NULL, &answer, &error);

	assert_int_equal(r, -ENOSPC);
	assert_int_equal(error.code, -ENOSPC);
	assert_int_equal(error.exit_status, 3);
	assert_string_equal(error.name, "does-not-fit");
	assert_string_equal(error.rule, "G01");
	assert_string_equal(error.message, "no room");
	assert_string_equal(error.fix, "ask for less");
	assert_string_equal(error.file, "f.yaml");
	assert_int_equal(error.line, 3);
	assert_int_equal(error.column, 9);
	assert_string_equal(answer, "untouched");
}

static void test_error_without_document(void **state)
{
	struct divvy_error error;
	char *answer = NULL;

	assert_int_equal(call(*state, HTTP("500 Oops", "<html>"), NULL, &answer, &error), -EPROTO);
	assert_non_null(strstr(error.message, "500"));
	assert_null(answer);
}

static void test_hang_up(void **state)
{
	struct divvy_error error;
	char *answer = NULL;

	assert_int_equal(call(*state, NULL, NULL, &answer, &error), -ECONNREFUSED);
	assert_int_equal(error.exit_status, 5);
	assert_null(answer);
}

static void test_bad_path(void **state)
{
	static const char *const paths[] = {"",		"v1",  "/v1/a b", "/v1/a\r\nX: y",
					    "/v1/\x80", "/v1#"};
	struct server *server = *state;
	struct divvy_client *client = NULL;
	char *answer = NULL;

	assert_int_equal(divvy_connect(server->path, 0, &client, NULL), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(divvy_call(client, "GET", paths[i], NULL, &answer, NULL), -EINVAL);
	divvy_close(client);
}

static void test_nobody_listens(void **state)
{
	struct divvy_client *client = NULL;
	struct divvy_error error;

	assert_int_equal(divvy_connect("/nonexistent/s", 0, &client, &error), -ECONNREFUSED);
	assert_int_equal(error.exit_status, 5);
	assert_string_equal(error.name, "unreachable");
	assert_true(error.fix[0]);
	assert_null(client);
}

static void test_long_path(void **state)
{
	struct divvy_client *client = NULL;
	char path[300];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(divvy_connect(path, 0, &client, NULL), -EINVAL);
	assert_null(client);
}

/* Somebody else's socket is refused before a byte is sent; only root can play somebody else. */
static void test_foreign_socket(void **state)
{
	char dir[48], path[64], byte;
	struct divvy_client *client = NULL;
	struct divvy_error error;
	int ready[2], r, status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(temporary_make(dir, sizeof(dir), "fgn"), 0);
	assert_int_equal(chown(dir, 65534, 65534), 0);
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0 || listen_at(path) < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	r = divvy_connect(path, 0, &client, &error);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	close(ready[0]);
	(void)unlink(path);
	(void)rmdir(dir);
	assert_int_equal(r, -EPERM);
	assert_string_equal(error.rule, "S03");
	assert_int_equal(error.exit_status, 3);
	assert_null(client);
}

static void test_version(void **state)
{
	assert_string_equal(divvy_version(), DIVVY_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_get, start_server, stop_server),
		cmocka_unit_test_setup_teardown(test_post, start_server, stop_server),
		cmocka_unit_test_setup_teardown(test_error_document, start_server, stop_server),
		cmocka_unit_test_setup_teardown(test_error_without_document, start_server,
						stop_server),
		cmocka_unit_test_setup_teardown(test_hang_up, start_server, stop_server),
		cmocka_unit_test_setup_teardown(test_bad_path, start_server, stop_server),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_foreign_socket),
		cmocka_unit_test(test_version),
	};

	return cmocka_run_group_tests_name("client/call", tests, NULL, NULL);
}
