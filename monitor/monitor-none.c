#include "monitor/monitor.h"
Monitor *monitor_new(Machine *machine, Chardev *chardev)
{
    (void)machine;
    chardev_attach(chardev, &(ChardevHandler){0}, NULL);
    return NULL;
}
void monitor_free(Monitor *monitor)
{
    (void)monitor;
}
