# SPDX-License-Identifier: MIT
include $(sort $(wildcard $(BR2_EXTERNAL_IPCBUS_PATH)/package/*/*.mk))
