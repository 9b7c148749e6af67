/* SPDX-License-Identifier: MIT */
/*
 * Hostile peers. An attack is a function that runs in processes of an ordinary user,
 * MALLORY, against a victim: a service of libipc, a client of it, servicemanager, or
 * ipcctl. While the attackers are at work, and after they died, another user's witness calls
 * service and servicemanager: both reply within their usual time, and hold no more memory
 * and files than before.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <ipc/raw.h>
#include <ipc/rpc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "e2e.ipc.h"

/* Users, all of group 900 (ipcbus). */
#define ALICE	1000	/* the victim service, and clients of Mallory's services */
#define MALLORY 1001
#define WITNESS 1002

#define SERVICE "victim.service"
#define COUNTER "victim.counter"
#define HIS	"mallory.service"

/**
 * struct attack - one attack
 * @name: what it tries, for the report
 * @run: what each attacker does. It calls begun() once it is at work, and may return: then
 *	its process holds what it has until it is killed
 * @look: what to look at in addition while they are at work, as root; or NULL. It calls
 *	succeeded() if the attack did
 * @processes: number of attackers; 0: one
 * @factor: how many times its usual time a call of others may take; 0: 10, and 10 for each
 *	attacker. Four milliseconds more are allowed
 */
struct attack {
	const char *name;
	void (*run)(unsigned int index);
	void (*look)(void);
	unsigned int processes;
	unsigned int factor;
};

extern const struct attack service_attacks[], stream_attacks[], client_attacks[],
	stream_client_attacks[], manager_attacks[], ctl_attacks[];

/* --- For attackers ------------------------------------------------------------------ */

/* The attack is under way. */
void begun(void);
/* The attack has succeeded: the first reason is reported. From any process. */
void succeeded(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Without that the attack cannot be carried out: must() ends the process. */
void must(bool condition, const char *what);
void broken(const char *what);

/* A connection, and the proxy of a name. Not without them. */
struct ipc *connect_bus(void);
struct ipc_proxy *find(struct ipc *ipc, const char *name);

/* Registers HIS as a service that does what `serve` does. Not without it. */
void offer_his(struct ipc *ipc, const char *interface,
	       int (*serve)(struct ipc_call *, const struct ipc_raw_message *, void *));

/* The number of a method of the service, or of COUNTER. */
uint32_t code_of(const struct ipc_interface *interface, const char *method);

/* Calls: 0, or the error. */
int call_bytes(struct ipc_proxy *proxy, uint32_t code, const void *data, size_t size);

uint32_t random_below(uint32_t limit);

/* A protobuf field in front of what is at `at`, which ends at `end`. Returns its beginning. */
uint8_t *wrap(uint8_t *at, const uint8_t *end, unsigned int field);

/* --- For looking ---------------------------------------------------------------------- */

/* Milliseconds of the monotonic clock; and sleep for as long. */
uint64_t clock_ms(void);
void pause_ms(unsigned int ms);

/* The number behind `name` in a file of lines, or 0; and the most KiB of this process that were
 * resident. */
size_t number_in(const char *path, const char *name);
size_t peak_kib(void);

/* Runs fn as that user in a process of its own. Returns its status; -1 if it did not end in time;
 * -2 if it crashed. */
int run_as(uid_t uid, int (*fn)(void *data), void *data, unsigned int limit_ms);

/* Processes of the scene. */
pid_t start_process(uid_t uid, void (*fn)(void));
pid_t start_ready(uid_t uid, void (*fn)(void)); /* returns once it has begun() */
void end_process(pid_t pid);

/* The service that the witness calls, and where its process is noted. It offers streams as well:
 * 0, or a negative errno. */
void serve_victim(void);
int offer_streams(struct ipc *ipc);
/* Uses streams of the service, as a client should: succeeded() if that does not work. */
void look_at_streams(void);
extern struct scene {
	pid_t service, manager;
} scene;

#endif
