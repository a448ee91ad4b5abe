// Command alerts asks Prometheus's own code which alerts of a rules file fire: it reads the file as Prometheus does at
// start, reads pages as it does when it scrapes, and evaluates the rules group by group as time passes.
//
// On stdin it takes a case, on stdout it writes the alerts that are pending or firing then, by name.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

// interval is how often Prometheus evaluates a group that does not say it, in seconds.
const interval = 60

// question is what was scraped, and when an answer is wanted.
type question struct {
	Rules   string   `json:"rules"` // a file
	Targets []target `json:"targets"`
	From    int64    `json:"from"` // the first evaluation, in seconds, on the clock of the scrapes
	At      int64    `json:"at"`   // the last one
	// Prometheus 2 leaves the bounds of buckets as the page has them, 3 makes numbers of them: le="10.0".
	BoundsAsWritten bool `json:"bounds_as_written"`
}

// target is one endpoint, and the labels that a scrape configuration gives it.
type target struct {
	Labels  map[string]string `json:"labels"`
	Scrapes []scrape          `json:"scrapes"`
}

type scrape struct {
	At   int64  `json:"at"`
	Page string `json:"page"`
}

// alert is one that its rule's expression has an element for.
type alert struct {
	State       string            `json:"state"` // pending, or firing
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func main() {
	var asked question
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	check(decoder.Decode(&asked))

	stored := &store{}
	for _, each := range asked.Targets {
		served := map[string]labels.Labels{}
		for _, one := range each.Scrapes {
			found, err := stored.scrape(each.Labels, one, asked.BoundsAsWritten)
			check(err)
			stored.endThose(served, found, one.At)
			served = found
		}
	}
	promQL := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: promQL})
	query := rules.EngineQueryFunc(engine, stored)
	active := map[string][]alert{}
	for _, rule := range alertingRules(asked.Rules, promQL) {
		for at := asked.From; at <= asked.At; at += interval {
			_, err := rule.Eval(context.Background(), 0, time.Unix(at, 0), query, nil, 0)
			check(err)
		}
		for _, one := range rule.ActiveAlerts() {
			found := alert{one.State.String(), one.Labels.Map(), one.Annotations.Map()}
			active[rule.Name()] = append(active[rule.Name()], found)
		}
	}
	check(json.NewEncoder(os.Stdout).Encode(active))
}

// alertingRules makes of a file what the rule manager makes of it.
func alertingRules(file string, promQL parser.Parser) []*rules.AlertingRule {
	read, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, promQL, slog.Default())
	check(errors.Join(errs...))
	var made []*rules.AlertingRule
	for _, group := range read.Groups {
		if group.Interval != 0 {
			check(fmt.Errorf("group %s has an interval of its own; evaluate it by that", group.Name))
		}
		for _, rule := range group.Rules {
			expression, err := promQL.ParseExpr(rule.Expr)
			check(err)
			made = append(made, rules.NewAlertingRule(
				rule.Alert, expression, time.Duration(rule.For), time.Duration(rule.KeepFiringFor),
				labels.FromMap(rule.Labels), labels.FromMap(rule.Annotations), labels.EmptyLabels(), "",
				true, slog.Default(),
			))
		}
	}
	return made
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "alerts: "+err.Error())
		os.Exit(2)
	}
}
