/* SPDX-License-Identifier: Apache-2.0 */
/* Talking to an HTTP server byte by byte, for tests that no polite client could make. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Nothing here takes long; this is for a machine that is busy. */
enum { PATIENCE_MS = 20000 };

static inline int wire_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 64) < 0)
		return -1;
	return fd;
}

static inline int wire_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static inline bool wire_send(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* Read one answer, as long as its Content-Length says, or up to the end of the stream. Returns the
 * HTTP status, 0 for a hang-up without one, -1 for nothing in time. */
static inline int wire_answer(int fd, char *buf, size_t size)
{
	size_t len = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		const char *end, *length;
		ssize_t n;

		buf[len] = '\0';
		end = strstr(buf, "\r\n\r\n");
		length = strstr(buf, "Content-Length: ");
		if (end && length && strlen(end + 4) >= strtoul(length + 16, NULL, 10))
			break;
		if (len == size - 1 || poll(&p, 1, PATIENCE_MS) <= 0)
			return -1;
		n = recv(fd, buf + len, size - 1 - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return strncmp(buf, "HTTP/1.1 ", 9) == 0 ? (int)strtol(buf + 9, NULL, 10) : 0;
}

static inline int wire_ask(int fd, const char *text, char *buf, size_t size)
{
	if (!wire_send(fd, text, strlen(text)))
		return 0;
	return wire_answer(fd, buf, size);
}

/* Does the other end hang up, within the patience? What it sends meanwhile is dropped. */
static inline bool wire_hangs_up(int fd)
{
	char buf[512];

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, PATIENCE_MS) <= 0)
			return false;
		if (recv(fd, buf, sizeof(buf), 0) <= 0)
			return true;
	}
}
