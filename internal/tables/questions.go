package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/questions"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// Questions keeps what links stand for: a row each in one partition, under the link's token.
type Questions struct {
	client *rows.Client
	codec  *codec
}

const questionsPartition = "question"

// Question is questions.Store's.
func (q *Questions) Question(ctx context.Context, token string) (questions.Question, error) {
	got, err := q.client.Get(ctx, questionsTable, questionsPartition, token, "read a question")
	if rows.IsMissing(err) {
		return questions.Question{}, questions.ErrNone
	}
	if err != nil {
		return questions.Question{}, err
	}
	return q.parse(ctx, got.Body)
}

// KeepQuestion is questions.Store's. Two at once write the same question, and the later moment or
// one that is hardly earlier.
func (q *Questions) KeepQuestion(ctx context.Context, kept questions.Question) error {
	b := rows.NewEntity(questionsPartition, kept.Token, len(kept.Query)+1024)
	columns := []directory.Column{{Name: "Of", Value: kept.Of}, {Name: "At", Value: kept.At}}
	addColumns(b, columns)
	b.Binary(checkColumn, questionCheck(kept.Token, columnsOf(columns), kept.Query))
	if left := q.codec.document(b, []byte(kept.Query)); left > 0 {
		return fmt.Errorf("keep a question: %d bytes of it do not fit a row", left)
	}
	return q.client.Submit(ctx, questionsTable, rows.Action{Kind: rows.Put, Row: b.Done().Body})
}

// DropQuestions is questions.Store's. Of two at once, each drops what the other has left.
func (q *Questions) DropQuestions(ctx context.Context, before time.Time) error {
	older := "At lt " + rows.Literal(before)
	err := q.client.DropRows(ctx, questionsTable, questionsPartition, older)
	if !rows.IsMissing(err) && !rows.IsDropped(err) && !errors.Is(err, rows.ErrMoved) {
		return err
	}
	filter := rows.In(questionsPartition, "", "~") + " and " + older // another drops them, too: one by one
	for key, err := range q.client.Keys(ctx, questionsTable, filter) {
		if err == nil {
			err = q.client.Delete(ctx, questionsTable, questionsPartition, key.Row, "drop a question")
		}
		if err != nil && !rows.IsMissing(err) && !rows.IsDropped(err) {
			return err
		}
	}
	return nil
}

// questionCheck is the check of a question's row over its columns, as columnsOf and columnsIn write
// them, and its query.
func questionCheck(key string, columns []byte, query string) []byte {
	return checkOf(questionsTable, questionsPartition, key, columns, []byte(query))
}

// parse reads a question's row. One that is not what was written is an error with
// entra.CodeTampered.
func (q *Questions) parse(ctx context.Context, body []byte) (questions.Question, error) {
	row := gjson.ParseBytes(body)
	key := rows.KeyOf(body)
	var columns struct {
		docRow
		Of string
		At time.Time
	}
	if err := json.Unmarshal(body, &columns); err != nil {
		return questions.Question{}, alteredQuestion(key.Row, "its columns can't be read")
	}
	query, problem, err := (&unpacker{codec: q.codec}).unpack(ctx, questionsTable, columns.data(), columns.Codec, nil)
	if err != nil {
		return questions.Question{}, err
	}
	out := questions.Question{Token: key.Row, Of: columns.Of, Query: string(query), At: columns.At.UTC()}
	switch {
	case problem != "":
		return out, alteredQuestion(key.Row, problem)
	case compareCheck(row, questionCheck(key.Row, columnsIn(row), out.Query)) != agrees:
		return out, alteredQuestion(key.Row, "its check is missing, or of another row or other columns")
	case !out.Fits():
		return out, alteredQuestion(key.Row, "its key is the token of another question")
	}
	return out, nil
}

func alteredQuestion(key, why string) error {
	return &entra.Error{Code: entra.CodeTampered,
		Doing: fmt.Sprintf("read row %s of table %s", rows.Clip(key), questionsTable),
		Why:   "it is not what was written: " + why,
		Remedy: "delete the row, and ask again from the first page: it held a question, and no record; " +
			"find out who changed it"}
}

// QuestionFlaws is verify.Beside's: questions' rows that are not what was written, or were added
// where nothing reads them. A row that is gone is not missed: its link is answered with 410.
func (u *Audit) QuestionFlaws(ctx context.Context) iter.Seq2[verify.Flaw, error] {
	return u.findings(func(f *flaws) error { return f.questions(ctx) })
}

func (f *flaws) questions(ctx context.Context) error {
	kept := &Questions{client: f.in.client, codec: f.in.archive.codec}
	for body, err := range f.in.client.Scan(ctx, questionsTable, rows.Query{Filter: "PartitionKey ge ''"}) {
		if err != nil {
			return err
		}
		key := rows.KeyOf(body)
		if key.Partition != questionsPartition {
			err = f.found(verify.DiffAdded, questionsTable, key.Partition+" "+key.Row, time.Time{},
				"its partition is not one that Entra Ledger writes, and nothing reads it")
		} else {
			_, err = kept.parse(ctx, body)
		}
		if e, ok := errors.AsType[*entra.Error](err); ok && e.Code == entra.CodeTampered {
			err = f.found(verify.DiffDerived, questionsTable, key.Row, time.Time{}, "%s; %s", e.Why, e.Remedy)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
