/* Servers in many containers, and clients that hold or churn many connections to them.
 *
 * Usage: peers serve <PLACES     a child for each line, which joins the cgroups named in it, then answers on 127.1.x.y:7000
 *        peers hold CONNECTIONS SERVERS RATE    opens them, then sends RATE requests a second over all of them in turn
 *        peers churn RATE SERVERS               opens RATE connections a second, each for one request
 * All go on until SIGTERM. `hold` and `churn` say "ready", then at their end what became of all requests.
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 7000

static volatile sig_atomic_t ended;
static void end(int signal) { (void)signal; ended = 1; }

static void fail(const char *what)
{
	fprintf(stderr, "peers: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static struct sockaddr_in address(int server)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	to.sin_addr.s_addr = htonl(0x7f010001 + (server / 200 << 8) + server % 200);
	return to;
}

static void watch(int poll, int fd, uint32_t what, uint64_t value)
{
	struct epoll_event event = { .events = what, .data.u64 = value };
	if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) && (errno != EEXIST || epoll_ctl(poll, EPOLL_CTL_MOD, fd, &event)))
		fail("epoll_ctl");
}

static void serve(int server, char *places)
{
	struct sockaddr_in own = address(server);
	struct epoll_event ready[256];
	char data[512];
	int listener, one = 1, poll = epoll_create1(0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (char *place = strtok(places, " \n"); place; place = strtok(NULL, " \n")) {
		int fd = open(place, O_WRONLY);
		if (fd < 0 || write(fd, "0", 1) != 1)
			fail(place);
		close(fd);
	}
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&own, sizeof own) || listen(listener, 4096))
		fail("listening");
	watch(poll, listener, EPOLLIN, listener);
	for (;;) {
		int count = epoll_wait(poll, ready, 256, -1);
		for (int i = 0; i < count; i++) {
			int fd = ready[i].data.u64;
			if (fd == listener) {
				while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
					watch(poll, fd, EPOLLIN, fd);
				if (errno != EAGAIN && errno != ECONNABORTED)
					fail("accept");
				continue;
			}
			ssize_t got = recv(fd, data, sizeof data, 0);
			if (got > 0)
				send(fd, data, got, MSG_NOSIGNAL);
			else if (got == 0 || errno != EAGAIN)
				close(fd);
		}
	}
}

static int dial(int server)
{
	struct sockaddr_in to = address(server);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		fail("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
		fail("connect");
	return fd;
}

/* Connections `churn` has open at most: what is due beyond them is not opened, and the rate is missed, not the limit of files hit. */
#define MOST_OPEN 8000

static uint64_t sent, answered, broken;

/* Reads what there is; false at its end. */
static int drain(int fd)
{
	char data[4096];
	ssize_t count = recv(fd, data, sizeof data, 0);
	if (count > 0)
		answered++;
	return count > 0 || (count < 0 && errno == EAGAIN);
}

static void hold(int connections, int servers, double rate)
{
	int *fds = malloc(connections * sizeof *fds), poll = epoll_create1(0);
	struct epoll_event ready[256];

	for (int i = 0; i < connections; i++) {
		fds[i] = dial(i % servers);
		watch(poll, fds[i], EPOLLIN, fds[i]);
		if (i % 500 == 499)
			usleep(20000); /* listeners' queues */
	}
	sleep(1);
	puts("ready");
	double start = now();
	for (uint64_t index = 0; !ended;) {
		for (double at = now(); start + index / rate <= at; index++) {
			if (send(fds[index % connections], "x", 1, MSG_NOSIGNAL) == 1)
				sent++;
			else
				broken++;
		}
		int count = epoll_wait(poll, ready, 256, 1);
		for (int i = 0; i < count; i++)
			if (!drain(ready[i].data.u64)) {
				broken++;
				close(ready[i].data.u64);
			}
	}
}

static void churn(double rate, int servers)
{
	int poll = epoll_create1(0);
	struct epoll_event ready[256];
	double start = now();
	int open = 0;

	puts("ready");
	for (uint64_t index = 0; !ended;) {
		for (double at = now(); start + index / rate <= at; index++) {
			if (open >= MOST_OPEN)
				continue;
			int fd = dial(index % servers);
			watch(poll, fd, EPOLLOUT, fd);
			open++;
		}
		int count = epoll_wait(poll, ready, 256, 1);
		for (int i = 0; i < count; i++) {
			int fd = ready[i].data.u64;
			if (ready[i].events & EPOLLOUT) {
				if (send(fd, "x", 1, MSG_NOSIGNAL) == 1) {
					sent++;
					watch(poll, fd, EPOLLIN, fd);
					continue;
				}
				broken++;
			} else if (!drain(fd)) {
				broken++;
			}
			close(fd);
			open--;
		}
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = end };
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &most) || (most.rlim_cur = most.rlim_max, setrlimit(RLIMIT_NOFILE, &most)))
		fail("raising the limit of open files");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "serve")) {
		char line[4096];
		int servers = 0;
		for (; fgets(line, sizeof line, stdin); servers++) {
			pid_t child = fork();
			if (child < 0)
				fail("fork");
			if (!child)
				serve(servers, line);
		}
		puts("ready");
		pause();
		return 0;
	}
	sigaction(SIGTERM, &action, NULL);
	if (argc == 5 && !strcmp(argv[1], "hold"))
		hold(atoi(argv[2]), atoi(argv[3]), atof(argv[4]));
	else if (argc == 4 && !strcmp(argv[1], "churn"))
		churn(atof(argv[2]), atoi(argv[3]));
	else
		return fprintf(stderr, "usage: peers serve | hold CONNECTIONS SERVERS RATE | churn RATE SERVERS\n"), 2;
	printf("%lu sent, %lu answered, %lu broken\n", sent, answered, broken);
	return 0;
}
