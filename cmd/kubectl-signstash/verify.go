package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// runVerify runs signctl verify with the same arguments. The plugin does not judge signatures
// itself, so that there is one program whose verdicts must be right.
func runVerify(ctx context.Context, args []string, s streams) error {
	program, err := findSignctl()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{"verify"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, s.out, s.err
	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exitCode(exit.ExitCode()) // signctl has printed what is wrong
	case err != nil:
		return fmt.Errorf("run %s: %w", program, err)
	}
	return nil
}

// exitCode is the exit code of a program that has already printed what failed.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// findSignctl finds signctl in the folder of the plugin, or on the PATH.
func findSignctl() (string, error) {
	name := "signctl"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if self, err := os.Executable(); err == nil {
		if resolved, err := filepath.EvalSymlinks(self); err == nil {
			self = resolved
		}
		beside := filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	program, err := exec.LookPath(name)
	if err != nil {
		return "", errors.New("verify needs the program signctl of the same release, " +
			"in the folder of kubectl-signstash or on the PATH")
	}
	return program, nil
}
