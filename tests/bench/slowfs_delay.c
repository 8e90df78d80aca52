#include "tests/bench/slowfs_delay.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Halves of one round trip follow each other at once, but not faster than a busy host allows. */
#define HALVES_APART 5000 /* us */

struct delay_options delay_options = {
	.us =
		{
			[OP_LOOKUP] = 600,
			[OP_GETATTR] = 600,
			[OP_READLINK] = 600,
			[OP_OPEN] = 800,
			[OP_CLOSE] = 600,
			[OP_READDIR] = 2000,
			[OP_READ] = 800,
			[OP_WRITE] = 3000,
			[OP_CREATE] = 4000,
			[OP_SETATTR] = 3000,
			[OP_REMOVE] = 3500,
			[OP_RENAME] = 4000,
			[OP_LOCK] = 800,
		},
	.read_mbps = 500,
	.write_mbps = 100,
	.client_mbps = 500,
	.inflight = 16,
	.scale = 100,
};

static const char *const names[OP_COUNT] = {
	[OP_LOOKUP] = "lookup",
	[OP_GETATTR] = "getattr",
	[OP_READLINK] = "readlink",
	[OP_OPEN] = "open",
	[OP_CLOSE] = "close",
	[OP_READDIR] = "readdir",
	[OP_READ] = "read",
	[OP_WRITE] = "write",
	[OP_CREATE] = "create",
	[OP_SETATTR] = "setattr",
	[OP_REMOVE] = "remove",
	[OP_RENAME] = "rename",
	[OP_LOCK] = "lock",
};

static atomic_ulong counts[OP_COUNT], spent[OP_COUNT]; /* round trips, us */

struct half {
	enum operation op;
	pid_t pid;
	uint64_t inode;
	uint64_t at;
};

static struct half halves[256]; /* by pid */
static pthread_mutex_t halves_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t line_free_at; /* when the client's line has sent what was put on it, us */
static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void sleep_us(enum operation op, uint64_t us)
{
	struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000 * 1000)};

	spent[op] += us;
	while (us && clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

static void spend(enum operation op, uint64_t us)
{
	sleep_us(op, us * delay_options.scale / 100);
}

/* How long until the line that all streams share has carried these bytes too. */
static uint64_t line_wait(size_t bytes)
{
	uint64_t now = now_us(), wait;

	if (!delay_options.client_mbps || !delay_options.scale)
		return 0;
	pthread_mutex_lock(&line_lock);
	if (line_free_at < now)
		line_free_at = now;
	line_free_at += bytes / delay_options.client_mbps;
	wait = line_free_at - now;
	pthread_mutex_unlock(&line_lock);
	return wait;
}

static uint64_t stream_us(size_t bytes, unsigned mbps)
{
	uint64_t line = line_wait(bytes), stream = mbps ? bytes / mbps : 0;

	return line > stream ? line : stream;
}

void delay_charge(enum operation op)
{
	counts[op]++;
	spend(op, delay_options.us[op]);
}

void delay_read(size_t bytes)
{
	counts[OP_READ]++;
	spend(OP_READ, delay_options.us[OP_READ] + stream_us(bytes, delay_options.read_mbps));
}

void delay_write(size_t bytes)
{
	uint64_t n = (bytes + TRANSFER_SIZE - 1) / TRANSFER_SIZE;
	uint64_t rounds = (n + delay_options.inflight - 1) / delay_options.inflight;

	if (n == 0)
		return;
	counts[OP_WRITE] += n;
	spend(OP_WRITE,
		rounds * delay_options.us[OP_WRITE] + stream_us(bytes, delay_options.write_mbps));
}

void delay_remember(enum operation op, pid_t pid, uint64_t inode)
{
	pthread_mutex_lock(&halves_lock);
	halves[pid & 255] = (struct half){op, pid, inode, now_us()};
	pthread_mutex_unlock(&halves_lock);
}

void delay_charge_rest(enum operation op, pid_t pid, uint64_t inode, enum operation first)
{
	struct half *half = &halves[pid & 255];
	bool is_rest;

	pthread_mutex_lock(&halves_lock);
	is_rest = half->op == first && half->pid == pid && half->inode == inode &&
		  now_us() - half->at < HALVES_APART;
	half->pid = 0;
	pthread_mutex_unlock(&halves_lock);
	if (!is_rest) {
		delay_charge(op);
		return;
	}
	if (delay_options.us[op] <= delay_options.us[first]) /* the first has paid for both */
		return;
	counts[first]--;
	counts[op]++;
	spend(op, delay_options.us[op] - delay_options.us[first]);
}

size_t delay_report(char *text, size_t size)
{
	unsigned long count = 0, us = 0;
	size_t length = 0;

	for (int i = 0; i < OP_COUNT && length < size; i++) {
		length += (size_t)snprintf(text + length, size - length, "%s %lu %.1f\n", names[i],
			counts[i], (double)spent[i] / 1e3);
		count += counts[i];
		us += spent[i];
	}
	if (length < size)
		length += (size_t)snprintf(
			text + length, size - length, "total %lu %.1f\n", count, (double)us / 1e3);
	return length < size ? length : size;
}

void delay_reset(void)
{
	for (int i = 0; i < OP_COUNT; i++)
		counts[i] = spent[i] = 0;
}
