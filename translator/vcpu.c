/* SPDX-License-Identifier: MIT */
#include "translator/vcpu.h"

void vcpu_exit_fault(VCpu *vcpu, Fault fault)
{
    vcpu->fault = fault;
    vcpu->leave(vcpu, EXIT_FAULT);
}

void vcpu_exit(VCpu *vcpu, ExitReason reason)
{
    vcpu->leave(vcpu, reason);
}
