/* SPDX-License-Identifier: MIT */
/*
 * The send area: memory that a client and its daemon have mapped, which messages are sent from. It
 * is cut into units. A thread has some of them for what the library moves there, and the program
 * those that it asked for. device-daemon.c is its only user.
 */
#ifndef IPC_DEVICE_SEND_H
#define IPC_DEVICE_SEND_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipcbus.h"

#define SEND_AREA_SIZE	(256UL << 20)	/* what is not used costs nothing */
#define SEND_AREA_UNIT	(64UL << 10)
#define SEND_AREA_UNITS	(SEND_AREA_SIZE / SEND_AREA_UNIT)
/* The program allocates within the first bytes. Of the rest each thread can have a unit. */
#define SEND_AREA_ALLOC	(192UL << 20)

struct send_area {
	uint8_t *at;
	pthread_mutex_t lock;
	uint8_t taken[SEND_AREA_UNITS];	/* 0: free, 2: the first of a piece, 1: another */
};

/* A piece of memory within the first `within` bytes; NULL: there is no space. */
uint8_t *send_area_take(struct send_area *area, size_t size, size_t within);
/* The whole piece. If it is larger than kept, its pages go back to the system. */
void send_area_put(struct send_area *area, const void *piece, size_t kept);

/* What a message takes of a piece at most, if it is moved. */
size_t send_area_needs(const struct send_area *area, const struct ipcbus_send *send);
/* Moves what the message points to to `to`, but for bytes that are in the area. -EINVAL: its parts
 * do not add up. */
int send_area_move(const struct send_area *area, struct ipcbus_send *send, uint8_t *to);

#endif /* IPC_DEVICE_SEND_H */
