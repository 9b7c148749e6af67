/* SPDX-License-Identifier: MIT */
/*
 * Hostile peers. An attack is a function in processes of an ordinary user, MALLORY, against a
 * victim: a service of libipc, a client of it, servicemanager, or ipcctl. During the attack, and
 * after the attackers died, another user's witness calls service and servicemanager. Both must
 * reply within their usual time, and must use no more memory and files than before.
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
 * struct attack - an attack
 * @name: for the report
 * @run: run by each attacker. Calls begun() once the attack runs, and may return:
 * its process keeps its resources until it is killed
 * @look: an additional check during the attack, as root; or NULL. Calls
 * succeeded() if the attack succeeded
 * @processes: number of attackers; 0: a single attacker
 * @factor: multiple of its usual time that a call of other users may take; 0: 10, and 10 for
 * each attacker. Four milliseconds more are allowed
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
/* Reports that the attack has succeeded; the first reason is printed. From any process. */
void succeeded(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Report that the attack could not be carried out, and end the process. */
void must(bool condition, const char *what);
void broken(const char *what);

/* Connect, and get a proxy of a name. If that fails, they end the process. */
struct ipc *connect_bus(void);
struct ipc_proxy *find(struct ipc *ipc, const char *name);

/* Registers HIS as a service with the handler @serve. If that fails, ends the process. */
void offer_his(struct ipc *ipc, const char *interface,
	       int (*serve)(struct ipc_call *, const struct ipc_raw_message *, void *));

/* Returns the number of a method of the service, or of COUNTER. */
uint32_t code_of(const struct ipc_interface *interface, const char *method);

/* Calls a method. Returns 0 or the error. */
int call_bytes(struct ipc_proxy *proxy, uint32_t code, const void *data, size_t size);

uint32_t random_below(uint32_t limit);

/* Puts a protobuf field around the bytes from @at to @end. Returns its start. */
uint8_t *wrap(uint8_t *at, const uint8_t *end, unsigned int field);

/* --- For checks ----------------------------------------------------------------------- */

/* Return the monotonic clock in milliseconds; and sleep. */
uint64_t clock_ms(void);
void pause_ms(unsigned int ms);

/* Return the number after @name in a file, or 0; and this process's peak of resident KiB. */
size_t number_in(const char *path, const char *name);
size_t peak_kib(void);

/* Runs @fn as that user. Returns its status; -1 after a timeout; -2 if it crashed. */
int run_as(uid_t uid, int (*fn)(void *data), void *data, unsigned int limit_ms);

/* Start processes of the scene. */
pid_t start_process(uid_t uid, void (*fn)(void));
pid_t start_ready(uid_t uid, void (*fn)(void)); /* returns after its begun() */
void end_process(pid_t pid);

/* The service that the witness calls. It also offers streams: returns 0, or a negative errno. */
void serve_victim(void);
int offer_streams(struct ipc *ipc);
/* Uses streams of the service correctly. If that fails, calls succeeded(). */
void look_at_streams(void);
extern struct scene {
	pid_t service, manager;
} scene;

#endif
