package importing

import (
	"bytes"
	"errors"
	"io"

	"github.com/twmb/avro/ocf"
)

// avroMark begins an Avro object container file.
const avroMark = "Obj\x01"

// maxBlock bounds a block of Avro, packed and unpacked. An event has at most 1 MiB.
const maxBlock = 32 << 20

// avroFile reads the bodies of an event hub's capture: each is what diagnostic settings sent.
// Source of the schema:
// learn.microsoft.com/azure/event-hubs/explore-captured-avro-files (Body is null or bytes).
type avroFile struct {
	events *ocf.Reader
	place  Place
	skip   int64     // events that an earlier run has read
	bodies []element // of the event at hand, that are still to be given
}

func newAvroFile(in io.Reader, from Place) (*avroFile, error) {
	events, err := ocf.NewReader(in, ocf.WithMaxBlockBytes(maxBlock), ocf.WithMaxDecompressedBlockBytes(maxBlock))
	if err != nil {
		return nil, &Cut{Unit: "event", Why: err.Error()}
	}
	return &avroFile{events: events, skip: from.Offset}, nil
}

// at is the number of events that were read to their end: an event is read again where a run ended
// within it.
func (f *avroFile) at() Place { return f.place }

func (f *avroFile) next() (element, error) {
	for len(f.bodies) == 0 {
		var e map[string]any
		switch err := f.events.Decode(&e); {
		case errors.Is(err, io.EOF):
			return element{}, io.EOF
		case err != nil:
			return element{}, &Cut{At: f.place.Offset, Unit: "event", Why: err.Error()}
		}
		if f.place.Offset >= f.skip {
			f.bodies = bodiesOf(f.place.Offset, e["Body"])
		}
		if len(f.bodies) == 0 {
			f.place.Offset++
		}
	}
	e := f.bodies[0]
	if f.bodies = f.bodies[1:]; len(f.bodies) == 0 {
		f.place.Offset++
	}
	return e, nil
}

// bodiesOf are the elements of an event. One without a body is refused: nothing of a file is passed
// over in silence.
func bodiesOf(number int64, body any) []element {
	bytes, ok := body.([]byte)
	if !ok {
		return []element{{at: number, refused: UnknownShape, why: "the event has no Body of bytes"}}
	}
	out := elementsOf(number, bytes)
	if len(out) == 0 {
		out = append(out, element{at: number, refused: UnknownShape, why: "the event's body is empty"})
	}
	return out
}

// elementsOf are the elements of an event's body.
func elementsOf(number int64, body []byte) (out []element) {
	in := newJSONText(body, Place{})
	for {
		e, err := in.next()
		if cut, ok := errors.AsType[*Cut](err); ok {
			return append(out, element{at: number, refused: NotJSON, why: "the event's body: " + cut.Why})
		}
		if err != nil {
			return out
		}
		e.at, e.raw = number, bytes.Clone(e.raw)
		out = append(out, e)
	}
}
