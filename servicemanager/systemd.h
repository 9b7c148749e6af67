/* SPDX-License-Identifier: MIT */
/*
 * Status notifications to systemd, if it started us: that names can be registered, that
 * the policy is being read again, that servicemanager exits, and that its loop is alive.
 * Without NOTIFY_SOCKET in the environment these functions do nothing.
 */
#ifndef SERVICEMANAGER_SYSTEMD_H
#define SERVICEMANAGER_SYSTEMD_H

void systemd_ready(void);
void systemd_reloading(void);
void systemd_stopping(void);

/* For each turn of the loop: notifies the watchdog of the unit, if it has one and it is
 * time to. Returns the timeout until the next call. */
int systemd_watchdog(void);

#endif /* SERVICEMANAGER_SYSTEMD_H */
