/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for systemd and the system bus, for a servicemanager with services that are units. It
 * is a process that counts StartUnit() and reacts by the name of the unit:
 *
 *  good.service       runs the program; its job is done
 *  mended.service     its first job fails, later jobs run the program
 *  failing.service    its job fails, after another process claimed success
 *  silent.service     its job is done, but it runs no program
 *  denied.service     is refused by polkit
 *  rude.service       the bus closes the connection
 *  any other          does not exist
 */
#ifndef E2E_SYSTEMD_H
#define E2E_SYSTEMD_H

#include <sys/types.h>

/* argv: the program of good.service. Sets DBUS_SYSTEM_BUS_ADDRESS for this process. */
void systemd_start(char *const *argv);
void systemd_stop(void);
/* Returns the number of StartUnit() requests. */
unsigned int systemd_starts(void);

#endif /* E2E_SYSTEMD_H */
