package main

import (
	"errors"
	"io"
	"math"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
)

// scrape stores a page's samples as one scrape does, and gives their series.
func (s *store) scrape(of map[string]string, one scrape, boundsAsWritten bool) (map[string]labels.Labels, error) {
	page, err := textparse.New([]byte(one.Page), "text/plain; version=0.0.4", labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return nil, err
	}
	found := map[string]labels.Labels{}
	for {
		entry, err := page.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, number := page.Series()
		var names labels.Labels
		page.Labels(&names)
		full := labels.NewBuilder(names)
		for name, text := range of {
			full.Set(name, text)
		}
		if bound := names.Get(labels.BucketLabel); boundsAsWritten && bound != "" {
			full.Set(labels.BucketLabel, strings.TrimSuffix(bound, ".0"))
		}
		series := full.Labels()
		found[series.String()] = series
		s.add(series, one.At*1000, number)
	}
}

// endThose marks the series that a target served before and does not serve any more.
func (s *store) endThose(before, now map[string]labels.Labels, at int64) {
	for name, series := range before {
		if _, served := now[name]; !served {
			s.add(series, at*1000, math.Float64frombits(value.StaleNaN))
		}
	}
}
