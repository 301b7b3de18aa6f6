// SPDX-License-Identifier: MIT

// A program that drives a machine through a QMP library written for QEMU, and prints what that
// library made of the answers. Usage: client SOCKET
package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/digitalocean/go-qemu/qemu"
	"github.com/digitalocean/go-qemu/qmp"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	monitor, err := qmp.NewSocketMonitor("unix", os.Args[1], 10*time.Second)
	must(err)
	must(monitor.Connect())
	machine, err := qemu.NewDomain(monitor, "machine")
	must(err)
	status, err := machine.Status()
	must(err)
	version, err := machine.Version()
	must(err)
	drives, err := machine.BlockDevices()
	must(err)
	functions, err := machine.PCIDevices()
	must(err)
	fmt.Println("status", status, "version", version, "drive", drives[0].Device)
	for _, f := range functions {
		fmt.Println("pci", f.Slot, f.Function, f.ID.Vendor, f.ID.Device, f.ClassInfo.Desc, len(f.Regions))
	}
	picture, err := machine.ScreenDump()
	must(err)
	bytes, err := io.ReadAll(picture)
	must(err)
	fmt.Printf("picture %s\n", bytes[:2])
	_, err = machine.Run(qmp.Command{Execute: "no-such"})
	fmt.Println("error", err)
	events, done, err := machine.Events()
	must(err)
	must(machine.SystemReset())
	fmt.Println("event", (<-events).Event)
	done <- struct{}{}
	_, err = machine.Run(qmp.Command{Execute: "quit"})
	must(err)
}
