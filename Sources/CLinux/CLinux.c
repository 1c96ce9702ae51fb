#define _GNU_SOURCE
#include "CLinux.h"

#include <pthread.h>
#include <sched.h>

int flightrec_unshare(int flags) { return unshare(flags); }
int flightrec_setns(int fd, int type) { return setns(fd, type); }
int flightrec_thread_name(const char *name) { return pthread_setname_np(pthread_self(), name); }
int flightrec_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL); }
