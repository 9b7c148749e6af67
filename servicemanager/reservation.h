/* SPDX-License-Identifier: MIT */
/*
 * Names that stay their user's while nobody has them: for some time after the death of their
 * object, so that a service can be restarted; and after a restart of servicemanager, with the
 * help of a file, until their owners registered them again.
 */
#ifndef SERVICEMANAGER_RESERVATION_H
#define SERVICEMANAGER_RESERVATION_H

#include <stdint.h>

struct manager;

/* Until when a name is reserved that nobody has from now on. */
uint64_t reservation_time(struct manager *manager);
/* A name was registered or unregistered. */
void reservations_changed(struct manager *manager);
/* Reserves the names in the file, if there is one. What is wrong is in the log. */
void reservations_load(struct manager *manager);
/* Does what is due. Returns the timeout until the next call. */
int reservations_work(struct manager *manager);

#endif /* SERVICEMANAGER_RESERVATION_H */
