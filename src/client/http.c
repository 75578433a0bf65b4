/* SPDX-License-Identifier: Apache-2.0 */
#include "client/internal.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/limits.h"
#include "base/str.h"

/* divvyd answers within its own deadlines (a probe takes 20 s at most); this is for a dead one. */
enum { CALL_TIMEOUT_S = 120, CONNECT_TIMEOUT_S = 2 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global = CURLE_OK;

static void init_global(void)
{
	/* No TLS: there is only the unix socket. */
	global = curl_global_init(CURL_GLOBAL_NOTHING);
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct divvy_client *client = arg;

	client->fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	return client->fd < 0 ? CURL_SOCKET_BAD : client->fd;
}

/* Whoever listens is checked again on each new connection, before it hears the request. */
static int check_listener(void *arg, char *address, char *local, int port, int local_port)
{
	struct divvy_client *client = arg;
	struct dv_error ignored = {0};

	return dv_client_check_peer(client->fd, client->path, &ignored) < 0 ? CURL_PREREQFUNC_ABORT
									    : CURL_PREREQFUNC_OK;
}

static size_t take_bytes(char *data, size_t size, size_t count, void *arg)
{
	struct dv_buf *answer = arg;
	size_t len = size * count;

	if (answer->len + len > DV_HTTP_ANSWER_MOST)
		return 0;
	dv_buf_add_n(answer, data, len);
	return answer->failed ? 0 : len;
}

int dv_client_http_init(struct divvy_client *client, struct dv_error *err)
{
	CURL *curl;

	(void)pthread_once(&once, init_global);
	curl = global == CURLE_OK ? curl_easy_init() : NULL;
	if (!curl)
		return dv_error_set(err, -ENOMEM, "libcurl could not be set up");
	client->curl = curl;
	if (curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->path) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, client) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, check_listener) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_PREREQDATA, client) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)CALL_TIMEOUT_S) != CURLE_OK)
		return dv_error_set(err, -EIO, "libcurl lacks an option that divvy needs");
	return 0;
}

/* Nothing that would end the request line, or be read as something else in it. */
static bool is_path(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const unsigned char *c = (const unsigned char *)path; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || *c == '#')
			return false;
	return true;
}

static int failed(struct divvy_client *client, CURLcode code, struct dv_error *err)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return dv_error_set(err, -ETIMEDOUT, "divvyd at %s did not answer within %d s",
				    client->path, CALL_TIMEOUT_S);
	case CURLE_WRITE_ERROR:
		return dv_error_set(err, -EPROTO, "divvyd's answer is larger than %d MiB",
				    DV_HTTP_ANSWER_MOST >> 20);
	case CURLE_ABORTED_BY_CALLBACK:
		return dv_error_rule(err, -EPERM, "S03",
				     "the socket %s is now neither root's nor yours", client->path);
	case CURLE_OUT_OF_MEMORY:
		return dv_error_set(err, -ENOMEM, "no memory for a request");
	case CURLE_COULDNT_CONNECT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		dv_error_set(err, -ECONNREFUSED, "the connection to divvyd at %s is lost",
			     client->path);
		return dv_error_fix(err, -ECONNREFUSED, "run the command again");
	default:
		return dv_error_set(err, -EIO, "asking divvyd at %s: %s", client->path,
				    curl_easy_strerror(code));
	}
}

static int refused(const char *text, long status, struct dv_error *err)
{
	struct dv_error said = {0}, why = {0};

	if (dv_api_error_decode(text, &said, &why) < 0)
		return dv_error_set(err, -EPROTO,
				    "divvyd answered with HTTP status %ld and no "
				    "document that says why (%s)",
				    status, why.msg);
	if (err)
		*err = said;
	return said.code;
}

static void slist_freep(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

static CURLcode perform(CURL *curl, const char *verb, const char *url, const char *body,
			struct dv_buf *answer)
{
	dv_cleanup(slist_freep) struct curl_slist *headers =
		curl_slist_append(NULL, "Content-Type: application/json");
	CURLcode code;

	if (!headers || !curl_slist_append(headers, "Expect:"))
		return CURLE_OUT_OF_MEMORY;
	if (curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, verb) != CURLE_OK ||
	    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) != CURLE_OK)
		return CURLE_OUT_OF_MEMORY;
	if (body && (curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body) != CURLE_OK ||
		     curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
				      (curl_off_t)strlen(body)) != CURLE_OK ||
		     curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) != CURLE_OK))
		return CURLE_OUT_OF_MEMORY;
	code = curl_easy_perform(curl);
	/* The list and the buffers end here. */
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
	(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, NULL);
	return code;
}

int dv_client_http_call(struct divvy_client *client, const char *verb, const char *path,
			const char *body, char **ret_answer, struct dv_error *err)
{
	dv_cleanup(dv_buf_fini) struct dv_buf url = {0}, answer = {0};
	CURLcode code;
	long status = 0;

	if (!is_path(path))
		return dv_error_set(err, -EINVAL, "'%s' is no path of divvyd's", path);
	dv_buf_addf(&url, "http://divvyd%s", path);
	dv_buf_add(&answer, "");
	if (url.failed)
		return dv_error_set(err, -ENOMEM, "no memory for a request");
	code = perform(client->curl, verb, url.data, body, &answer);
	if (code != CURLE_OK)
		return failed(client, code, err);
	(void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (answer.failed || !answer.data)
		return dv_error_set(err, -ENOMEM, "no memory for divvyd's answer");
	if (status < 200 || status > 299)
		return refused(answer.data, status, err);
	return dv_buf_take(&answer, ret_answer);
}
