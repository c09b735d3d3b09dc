package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

const drainHelp = `signctl drain status [--management URL] [-o table|json]

Prints how far the stop of an instance is, and what an instance that leaves for good still has to do: operations
that have not ended, results that no client has fetched, callbacks that are not made, claims of Idempotency-Keys
that no other instance has, and how long it stays at most. It asks the management port, which needs no
credentials. On Kubernetes: kubectl exec POD -- /bin/signctl drain status

The exit code is 0 if the instance answers.
`

// drainTimeout bounds the whole question. The proxy counts its results, which takes a second if it
// has a million.
const drainTimeout = time.Minute

// runDrain runs the subcommands of drain. There is only one today.
func runDrain(ctx context.Context, args []string, s streams) error {
	fs := newFlags("drain status", drainHelp, s)
	url := s.env("SIGNSTASH_MANAGEMENT_URL")
	if url == "" {
		url = "http://localhost:8081"
	}
	fs.StringVar(&url, "management", url, "`URL` of the management port; also SIGNSTASH_MANAGEMENT_URL")
	form := fs.String("o", "table", "output `format`: table or json")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 || rest[0] != "status" {
		return usageError{errors.New("want: drain status")}
	}
	if *form != "table" && *form != "json" {
		return usageError{fmt.Errorf("-o must be table or json, not %q", *form)}
	}
	d, err := client.ReadDrain(ctx, &http.Client{Timeout: drainTimeout}, url)
	if err != nil {
		return err
	}
	if *form == "json" {
		return json.NewEncoder(s.out).Encode(d)
	}
	return printDrain(s, d)
}

func printDrain(s streams, d client.Drain) error {
	left := "-"
	if d.SecondsLeft != nil {
		left = (time.Duration(*d.SecondsLeft) * time.Second).String()
	}
	forGood := "no"
	if d.ForGood {
		forGood = "yes"
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"INSTANCE", printable(d.Instance)},
		{"PHASE", printable(d.Phase)},
		{"LEAVES FOR GOOD", forGood},
		{"PENDING OPERATIONS", fmt.Sprint(d.PendingOperations)},
		{"RESULTS NOT FETCHED", fmt.Sprint(d.ResultsNotFetched)},
		{"CALLBACKS NOT MADE", fmt.Sprint(d.CallbacksNotMade)},
		{"CLAIMS NOT HANDED OVER", fmt.Sprint(d.ClaimsNotHandedOver)},
		{"TIME LEFT", left},
	} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	return w.Flush()
}
