using System.Globalization;
using System.Text;
using FastRelay.Deliver;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>
/// Plays a written dialogue against a <see cref="SendMachine"/>. <c>S:</c> is what the server says, <c>C:</c> what the
/// client must say, exactly and in this order; the rest are calls of the driver and what must come of them.
/// </summary>
internal sealed class Transcript
{
    private readonly SendMachine _machine = new("relay.example"u8.ToArray(), 10);
    private readonly int _chunk;
    private readonly List<byte> _input = [];
    private readonly Queue<string> _said = new();
    private string _from = "";
    private string[] _to = [];
    private SendStep _step;
    private int _fed;

    private Transcript(int chunk) => _chunk = chunk;

    /// <summary>Plays a dialogue; replies arrive in pieces of <paramref name="chunk"/> octets, 0 for all at once.</summary>
    public static void Play(string text, int chunk)
    {
        var transcript = new Transcript(chunk);
        int number = 0;
        foreach (string raw in text.Split('\n'))
        {
            number++;
            string line = raw.TrimEnd('\r');
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }
            try
            {
                transcript.Take(line);
            }
            catch (Exception problem)
            {
                throw new InvalidOperationException($"line {number}, \"{line}\", pieces of {chunk}: {problem.Message}", problem);
            }
        }
        Assert.Empty(transcript._said);
    }

    private void Take(string line)
    {
        string[] words = line.Split(' ', 2);
        string rest = words.Length > 1 ? words[1] : "";
        switch (words[0])
        {
            case "START":
                _step = _machine.Start(Enum.Parse<StartTlsUse>(rest));
                break;
            case "S:":
                _input.AddRange(Encoding.Latin1.GetBytes(rest + "\r\n"));
                Pump();
                break;
            case "C:":
                Assert.True(_said.Count > 0, "the client says nothing");
                Assert.Equal(rest, _said.Dequeue());
                break;
            case "BEGIN":
                Begin(rest);
                break;
            case "BODY-SENT":
                Assert.Equal(SendStep.Body, _step);
                _step = _machine.BodySent();
                break;
            case "EARLY":
                Assert.Equal(SendStep.Body, _step);
                _step = _machine.Receive(Encoding.ASCII.GetBytes(rest + "\r\n"), out _);
                break;
            case "TLS":
                Assert.Equal(SendStep.StartTls, _step);
                _step = rest == "ok" ? _machine.TlsStarted() : _machine.TlsFailed("bad record"u8.ToArray());
                Pump();
                break;
            case "QUIT":
                _step = _machine.Quit();
                Pump();
                break;
            case "LOST":
                _step = _machine.Lost(Enum.Parse<OutcomeCause>(rest));
                break;
            default:
                Expect(words[0], rest);
                break;
        }
    }

    private void Begin(string text)
    {
        string[] words = text.Split(' ');
        _from = words[0];
        _to = words[1].Split(',');
        // The envelope index differs from the position, as it does after an earlier transaction took some.
        int[] indexes = [.. Enumerable.Range(3, _to.Length)];
        _step = _machine.Begin(indexes, long.Parse(words[2], CultureInfo.InvariantCulture), words.Contains("8bit"));
        Pump();
    }

    private void Expect(string what, string rest)
    {
        switch (what)
        {
            case "SILENT":
                Assert.Empty(_said);
                Assert.Equal(SendStep.Read, _step);
                break;
            case "READY":
                Assert.Equal(SendStep.Ready, _step);
                Assert.True(_machine.IsUsable);
                break;
            case "DONE":
                Assert.Equal(SendStep.Done, _step);
                Assert.Equal(rest, _machine.IsUsable ? "usable" : _machine.NotAttempted ? "not-attempted" : _machine.CanQuit ? "quit" : "closed");
                Assert.Empty(_said);
                break;
            case "CLOSED":
                Assert.Equal(SendStep.Closed, _step);
                if (rest.Length > 0)
                {
                    Assert.Equal(rest, Show(_machine.Failure, _machine.FailureReason.Span));
                }
                break;
            case "=":
                string[] words = rest.Split(' ', 2);
                int position = Array.IndexOf(_to, words[0]);
                Assert.Equal(position + 3, _machine.Ledger.IndexAt(position));
                Assert.Equal(words[1], Show(_machine.Ledger.OutcomeAt(position), _machine.Ledger.TextAt(position).Span));
                break;
            default:
                throw new FormatException("unknown word");
        }
    }

    /// <summary>Writes and reads until the machine waits for something that is not there.</summary>
    private void Pump()
    {
        while (true)
        {
            if (_step == SendStep.Write)
            {
                WriteAll();
                _step = SendStep.Read;
            }
            if (_step != SendStep.Read || !_machine.AwaitsReply)
            {
                return;
            }
            int shown = _chunk == 0 ? _input.Count : Math.Min(_input.Count, _fed + _chunk);
            bool more = shown > _fed;
            _step = _machine.Receive(_input.GetRange(0, shown).ToArray(), out int consumed);
            _input.RemoveRange(0, consumed);
            _fed = shown - consumed;
            if (_step == SendStep.Read && !more && consumed == 0)
            {
                return;
            }
            if (_step != SendStep.Read)
            {
                _fed = 0;
            }
        }
    }

    private void WriteAll()
    {
        byte[] room = new byte[CommandWriter.CommandBytes];
        while (true)
        {
            int recipient = _machine.NextRecipient;
            byte[] mailbox = recipient < 0 ? [] : Encoding.ASCII.GetBytes(_to[recipient - 3]);
            int written = _machine.Write(room, Encoding.ASCII.GetBytes(_from == "-" ? "" : _from), mailbox);
            if (written == 0)
            {
                return;
            }
            string line = Encoding.ASCII.GetString(room, 0, written);
            Assert.EndsWith("\r\n", line, StringComparison.Ordinal);
            _said.Enqueue(line[..^2]);
        }
    }

    private static string Show(Outcome outcome, ReadOnlySpan<byte> text)
    {
        string cause = outcome.Cause == OutcomeCause.Reply ? outcome.ReplyCode.ToString(CultureInfo.InvariantCulture) : outcome.Cause.ToString();
        string reply = outcome.Cause == OutcomeCause.Reply ? " " + Encoding.UTF8.GetString(text) : "";
        return $"{outcome.Class} {outcome.Reach} {cause}{reply}";
    }
}
