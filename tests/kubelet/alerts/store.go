package main

import (
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// store holds series in memory: all that an engine needs to ask, and nothing of a database.
type store struct {
	series []*series
}

type series struct {
	labels  labels.Labels
	samples []chunks.Sample
}

func (s *store) add(of labels.Labels, at int64, value float64) {
	for _, known := range s.series {
		if labels.Equal(known.labels, of) {
			known.samples = append(known.samples, sample{at, value})
			return
		}
	}
	s.series = append(s.series, &series{of, []chunks.Sample{sample{at, value}}})
}

// Querier implements storage.Queryable; the engine looks at the times of samples itself.
func (s *store) Querier(int64, int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: s.selected}, nil
}

func (s *store) selected(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &set{}
	for _, each := range s.series {
		if matches(each.labels, matchers) {
			found.series = append(found.series, storage.NewListSeries(each.labels, each.samples))
		}
	}
	sort.Slice(found.series, func(i, j int) bool {
		return labels.Compare(found.series[i].Labels(), found.series[j].Labels()) < 0
	})
	return found
}

func matches(of labels.Labels, matchers []*labels.Matcher) bool {
	for _, matcher := range matchers {
		if !matcher.Matches(of.Get(matcher.Name)) {
			return false
		}
	}
	return true
}

// set implements storage.SeriesSet.
type set struct {
	series []storage.Series
	next   int
}

func (s *set) Next() bool {
	s.next++
	return s.next <= len(s.series)
}

func (s *set) At() storage.Series { return s.series[s.next-1] }

func (*set) Err() error { return nil }

func (*set) Warnings() annotations.Annotations { return nil }

// sample implements chunks.Sample.
type sample struct {
	at    int64
	value float64
}

func (s sample) T() int64                    { return s.at }
func (s sample) ST() int64                   { return 0 }
func (s sample) F() float64                  { return s.value }
func (sample) H() *histogram.Histogram       { return nil }
func (sample) FH() *histogram.FloatHistogram { return nil }
func (sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample         { return s }
