// Command alerts asks Prometheus's own code when the alerts of a rules file fire: it reads the file as Prometheus does
// at start, reads pages as it does when it scrapes, and evaluates the expressions with its engine.
//
// On stdin it takes a case, on stdout it writes the alerts that fire, by name. What it leaves out is `for`.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// question is what was scraped, and when an answer is wanted.
type question struct {
	Rules   string   `json:"rules"` // a file
	Targets []target `json:"targets"`
	At      int64    `json:"at"` // seconds, on the clock of the scrapes
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

func main() {
	var asked question
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	check(decoder.Decode(&asked))

	promQL := parser.NewParser(parser.Options{})
	groups, errs := rulefmt.ParseFile(asked.Rules, false, model.UTF8Validation, promQL, slog.Default())
	check(errors.Join(errs...))
	stored := &store{}
	for _, each := range asked.Targets {
		for _, one := range each.Scrapes {
			check(stored.scrape(each.Labels, one, asked.BoundsAsWritten))
		}
	}
	fired := map[string][]map[string]string{}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: promQL})
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			if rule.Alert != "" {
				fired[rule.Alert] = evaluate(engine, stored, rule.Expr, time.Unix(asked.At, 0))
			}
		}
	}
	check(json.NewEncoder(os.Stdout).Encode(fired))
}

// evaluate gives the labels of each element that an alert's expression has.
func evaluate(engine *promql.Engine, stored *store, expression string, at time.Time) []map[string]string {
	query, err := engine.NewInstantQuery(context.Background(), stored, nil, expression, at)
	check(err)
	vector, err := query.Exec(context.Background()).Vector()
	check(err)
	found := []map[string]string{}
	for _, sample := range vector {
		found = append(found, sample.Metric.Map())
	}
	return found
}

// scrape stores a page's samples as one scrape does.
func (s *store) scrape(of map[string]string, one scrape, boundsAsWritten bool) error {
	page, err := textparse.New([]byte(one.Page), "text/plain; version=0.0.4", labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return err
	}
	for {
		entry, err := page.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := page.Series()
		var names labels.Labels
		page.Labels(&names)
		full := labels.NewBuilder(names)
		for name, text := range of {
			full.Set(name, text)
		}
		if bound := names.Get(labels.BucketLabel); boundsAsWritten && bound != "" {
			full.Set(labels.BucketLabel, strings.TrimSuffix(bound, ".0"))
		}
		s.add(full.Labels(), one.At*1000, value)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "alerts: "+err.Error())
		os.Exit(2)
	}
}
