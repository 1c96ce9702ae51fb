/* Open-loop load: Redis GETs at a fixed rate, whatever the server does with them.
 *
 * Usage: paced ADDRESS PORT RATE CONNECTIONS >RECORDS. Ends at SIGTERM or SIGINT.
 *
 * The request number i is due at start + i / RATE, on connection i mod CONNECTIONS, and its latency counts from then, not from
 * when it could be sent: a server that stalls makes later requests late, and that is told (no coordinated omission). One that is
 * still unanswered when the next is due on its connection is followed by it (pipelining); nothing waits for an answer.
 *
 * A record is two native 64-bit numbers: when it was due (CLOCK_MONOTONIC, ns) and its latency in ns.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char request[] = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
/* The key is not set: "$-1\r\n" is all Redis says. */
#define ANSWER 5

/* Requests a connection may be behind; beyond them the server is gone. */
#define MOST 65536

struct connection {
	int fd;
	size_t partial;		/* bytes of an answer that has begun */
	size_t unsent;		/* bytes of requests the socket did not take */
	uint64_t sent, answered;
	uint64_t *due;		/* ring of MOST */
};

static volatile sig_atomic_t ended;

static void end(int signal) { (void)signal; ended = 1; }

static void fail(const char *what)
{
	fprintf(stderr, "paced: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void flush(struct connection *c)
{
	while (c->unsent) {
		/* Whole requests follow one another: what is left begins somewhere in one. */
		size_t size = sizeof request - 1, rest = c->unsent % size ? c->unsent % size : size;
		ssize_t count = send(c->fd, request + size - rest, rest, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (count < 0) {
			if (errno == EAGAIN)
				return;
			fail("sending");
		}
		c->unsent -= count;
	}
}

static void receive(struct connection *c)
{
	char data[16384];
	uint64_t record[2];

	for (;;) {
		ssize_t count = recv(c->fd, data, sizeof data, MSG_DONTWAIT);
		if (count < 0 && errno == EAGAIN)
			return;
		if (count <= 0)
			fail("receiving");
		uint64_t at = now();
		c->partial += count;
		while (c->partial >= ANSWER) {
			c->partial -= ANSWER;
			record[0] = c->due[c->answered++ % MOST];
			record[1] = at - record[0];
			if (fwrite(record, sizeof record, 1, stdout) != 1)
				fail("writing a record");
		}
		if ((size_t)count < sizeof data)
			return;
	}
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: paced ADDRESS PORT RATE CONNECTIONS >RECORDS\n");
		return 2;
	}
	double rate = atof(argv[3]);
	int count = atoi(argv[4]);
	struct connection *all = calloc(count, sizeof *all);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
	int poll = epoll_create1(0);
	struct sigaction action = { .sa_handler = end };

	if (rate <= 0 || count <= 0 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "paced: an IPv4 address, a rate and connections above 0\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* Timers of ordinary threads may be 50 us late. */
	prctl(PR_SET_TIMERSLACK, 1);
	for (int i = 0; i < count; i++) {
		int one = 1;
		all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		all[i].due = calloc(MOST, sizeof *all[i].due);
		if (connect(all[i].fd, (struct sockaddr *)&to, sizeof to))
			fail("connecting");
		setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &all[i] };
		epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
	}
	uint64_t start = now() + 1000000, index = 0;
	while (!ended) {
		uint64_t at = now(), due;
		while ((due = start + (uint64_t)(index * (1e9 / rate))) <= at) {
			struct connection *c = &all[index++ % count];
			if (c->sent - c->answered >= MOST) {
				fprintf(stderr, "paced: the server is %d requests behind\n", MOST);
				return 1;
			}
			c->due[c->sent++ % MOST] = due;
			c->unsent += sizeof request - 1;
			flush(c);
		}
		struct epoll_event ready[64];
		at = now();
		uint64_t rest = due > at ? due - at : 0;
		struct timespec wait = { rest / 1000000000, rest % 1000000000 };
		int found = epoll_pwait2(poll, ready, 64, &wait, NULL);
		for (int i = 0; i < found; i++)
			receive(ready[i].data.ptr);
	}
	return fflush(stdout) ? 1 : 0;
}
