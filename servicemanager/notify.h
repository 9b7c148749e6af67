/* SPDX-License-Identifier: MIT */
/*
 * What systemd is told, if it started us: that names can be added, that the policy
 * is read again, that we end, and, if the unit has a watchdog, that the loop goes
 * round. Does nothing where nobody listens.
 */
#ifndef SERVICEMANAGER_NOTIFY_H
#define SERVICEMANAGER_NOTIFY_H

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

/* To be called each time round: says so when it is time to. In so many milliseconds
 * it is time again; -1: nobody asks. */
int notify_watchdog(void);

#endif /* SERVICEMANAGER_NOTIFY_H */
