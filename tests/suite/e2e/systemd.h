/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for systemd and the system bus, for a servicemanager whose services are
 * units: a process that counts StartUnit() and does what the unit's name says:
 *
 *   good.service       runs the program; its job is done
 *   mended.service     its first job fails, then as good.service
 *   failing.service    its job fails, after somebody else said that it was done
 *   silent.service     its job is done, and nothing runs
 *   denied.service     is refused by polkit
 *   rude.service       the bus goes away
 *   any other          is not there
 */
#ifndef E2E_SYSTEMD_H
#define E2E_SYSTEMD_H

#include <sys/types.h>

/* argv: what good.service runs, which ends with NULL. DBUS_SYSTEM_BUS_ADDRESS is set for
 * this process and those that it starts. */
void systemd_start(char *const *argv);
void systemd_stop(void);
/* How many units it was asked to start. */
unsigned int systemd_starts(void);

#endif /* E2E_SYSTEMD_H */
