/*
 * What an operation on a network filesystem costs: how long it takes, and the counters of round
 * trips. The defaults are those of AWS EFS over NFSv4.1 within one region.
 *
 * All functions may be called from any thread. A charge sleeps; nothing is locked meanwhile.
 */
#ifndef SLOWFS_DELAY_H
#define SLOWFS_DELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum operation {
	OP_LOOKUP,
	OP_GETATTR,
	OP_READLINK,
	OP_OPEN,
	OP_CLOSE,
	OP_READDIR,
	OP_READ,
	OP_WRITE,
	OP_CREATE,
	OP_SETATTR,
	OP_REMOVE,
	OP_RENAME,
	OP_LOCK,
	OP_COUNT
};

#define TRANSFER_SIZE (1u << 20) /* rsize and wsize, bytes */

struct delay_options {
	unsigned us[OP_COUNT]; /* of one round trip, microseconds */
	unsigned read_mbps;    /* of one stream, MB/s; 0: no limit */
	unsigned write_mbps;
	unsigned client_mbps; /* of all streams together */
	unsigned inflight;    /* WRITEs that a client keeps under way at once */
	unsigned scale;	      /* percent of all delays; 0 makes none and still counts */
};

extern struct delay_options delay_options; /* set before the first charge, then constant */

/* One round trip of that kind. */
void delay_charge(enum operation op);

/* READ of `bytes`, at most TRANSFER_SIZE. */
void delay_read(size_t bytes);

/* The WRITEs that send `bytes`, several at once. */
void delay_write(size_t bytes);

/*
 * FUSE makes two requests of some single round trips: LOOKUP then OPEN, a failed LOOKUP then
 * CREATE, CLOSE then GETATTR, GETATTR then SETATTR (for a chown). delay_remember() notes the first
 * half for the process `pid`; delay_charge_rest() charges what the second half costs more, if it is
 * one, or all of it.
 */
void delay_remember(enum operation op, pid_t pid, uint64_t inode);
void delay_charge_rest(enum operation op, pid_t pid, uint64_t inode, enum operation first);

/* "NAME COUNT MILLISECONDS" a line, the sum as "total". Returns the length; at most `size` bytes.
 */
size_t delay_report(char *text, size_t size);
void delay_reset(void);

#endif
