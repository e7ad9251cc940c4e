/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INIT and SIPI for a vcpu that runs meanwhile (hypervisor/guest/hvm/boot.c): the word in struct hvm_vcpu, boot, and the mark
 * VCPU_DOWN, which a sibling may take away at any time too (VCPUOP_up).  d_step is one atomic instruction.
 *
 * Shown: a vcpu that was sent a SIPI starts; one that waits for a SIPI runs nothing of its guest.
 */
mtype = { nothing, wait, got_init, got_sipi };

mtype boot = wait;
bool down = true;
byte senders = 3;

/* hvm_boot_init() and hvm_boot_startup() */
proctype starter()
{
    byte n;
    mtype now;
    bool changed;

    do
    :: n < 2 ->
        n++;
        if
        :: d_step { boot == nothing -> boot = got_init }
        :: skip
        fi;
        now = boot;
        if
        :: now == wait || now == got_init ->
            d_step { changed = boot == now; if :: changed -> boot = got_sipi :: else fi };
            if
            :: changed -> down = false
            :: else
            fi
        :: else
        fi
    :: else -> break
    od;
    senders--
}

proctype upper()
{
    down = false;
    senders--
}

/* hvm_boot_step(), and the scheduler between two of them */
proctype vcpu()
{
    mtype now;

end:
    do
    :: !down -> /* chosen to run; it may go on for as long as nobody looks */
        do
        :: boot == nothing -> /* runs its guest */
end_runs:
            if
            :: boot != nothing
            :: down -> break
            fi
        :: else ->
            down = true;
            now = boot;
            if
            :: now == got_init ->
                d_step { if :: boot == got_init -> boot = wait; now = wait :: else fi }
            :: else
            fi;
            if
            :: now == wait -> break /* SOFTIRQ_SCHEDULE */
            :: else ->
                down = false;
                d_step { if :: now == got_sipi && boot == got_sipi -> boot = nothing :: else fi }
            fi
        od
    od
}

init
{
    atomic { run vcpu(); run starter(); run starter(); run upper() };
    senders == 0;
    timeout -> assert(boot == wait || boot == nothing)
}
