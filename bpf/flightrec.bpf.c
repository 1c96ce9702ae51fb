// SPDX-License-Identifier: GPL-2.0
/* The kernel side of flightrec: one object, one file per probe family. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "flightrec.h"
#include "compat.h"
#include "state.h"
#include "atomic.h"
#include "classify.h"
#include "slice.h"
#include "due.h"
#include "turn-report.h"
#include "turn-begin.h"
#include "turn.h"
#include "packet.h"

#include "turn.bpf.h"
#include "send-wait.bpf.h"
#include "receive.bpf.h"
#include "tcp.bpf.h"
#include "thread.bpf.h"
#include "thread-walk.bpf.h"
#include "softirq.bpf.h"
#include "drop.bpf.h"
#include "queue.bpf.h"
#include "walk.bpf.h"

char LICENSE[] SEC("license") = "GPL";
