using System.Globalization;
using System.Text;
using FastRelay.Deliver;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>Servers that answer anything, against a slow account of the same transaction kept beside it.</summary>
public sealed class SendMachineFuzzTests
{
    private static readonly int[] s_codes = [250, 250, 250, 250, 251, 354, 354, 421, 450, 452, 500, 503, 550, 552, 554, 220];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Each_recipient_gets_the_outcome_that_the_replies_give_it(int seed)
    {
        var random = new Random(seed);
        var machine = new SendMachine("relay.example"u8.ToArray(), 8);
        for (int round = 0; round < 20_000; round++)
        {
            Play(machine, random);
        }
    }

    [Fact]
    public void A_server_that_writes_noise_never_breaks_the_machine()
    {
        var random = new Random(7);
        var machine = new SendMachine("relay.example"u8.ToArray(), 8);
        byte[] noise = new byte[64];
        byte[] room = new byte[CommandWriter.CommandBytes];
        for (int round = 0; round < 20_000; round++)
        {
            SendStep step = machine.Start(StartTlsUse.WhenOffered);
            for (int i = 0; i < 20 && step is SendStep.Read or SendStep.Write; i++)
            {
                while (machine.Write(room, default, default) > 0)
                {
                }
                for (int at = 0; at < noise.Length; at++)
                {
                    noise[at] = "2250-4 \r\n\n\0x\xFF"u8[random.Next(13)];
                }
                step = machine.Receive(noise.AsSpan(0, random.Next(noise.Length)), out int consumed);
                Assert.InRange(consumed, 0, noise.Length);
            }
            Assert.True(step != SendStep.Closed || machine.Failure.Class == OutcomeClass.Deferred);
        }
    }

    private static void Play(SendMachine machine, Random random)
    {
        bool pipelining = random.Next(2) == 0;
        machine.Start(StartTlsUse.Never);
        Say(machine, 220, "mx");
        WriteAll(machine);
        Say(machine, 250, pipelining ? "mx\r\n250 PIPELINING" : "mx");
        int count = random.Next(1, 5);
        int[] indexes = [.. Enumerable.Range(0, count).Select(i => i * 2)];
        SendStep step = machine.Begin(indexes, 10, false);
        var account = new Account(count);
        WriteAll(machine);
        step = SendStep.Read;
        for (int i = 0; step is SendStep.Read or SendStep.Write; i++)
        {
            WriteAll(machine);
            int code = s_codes[random.Next(s_codes.Length)];
            bool lost = random.Next(40) == 0;
            step = lost ? machine.Lost(OutcomeCause.ConnectionLost) : Say(machine, code, "t" + i.ToString(CultureInfo.InvariantCulture));
            account.Reply(lost ? 0 : code);
            if (step == SendStep.Body)
            {
                step = machine.BodySent();
            }
        }
        Assert.Equal(SendStep.Done, step);
        for (int i = 0; i < count; i++)
        {
            Assert.Equal(indexes[i], machine.Ledger.IndexAt(i));
            Assert.Equal(account.Results[i], machine.Ledger.OutcomeAt(i).Class);
        }
    }

    private static SendStep Say(SendMachine machine, int code, string text)
    {
        string separator = text.Contains('\n', StringComparison.Ordinal) ? "-" : " ";
        byte[] bytes = Encoding.ASCII.GetBytes(code.ToString(CultureInfo.InvariantCulture) + separator + text + "\r\n");
        return machine.Receive(bytes, out _);
    }

    private static void WriteAll(SendMachine machine)
    {
        byte[] room = new byte[CommandWriter.CommandBytes];
        while (machine.Write(room, "a@b"u8, machine.NextRecipient < 0 ? default : "c@d"u8) > 0)
        {
        }
    }

    /// <summary>What the sequence of replies says, told the long way: one list, no pipelining, no states.</summary>
    private sealed class Account(int recipients)
    {
        private int _reply;
        private bool _ended;
        private bool _mailFailed;

        public OutcomeClass[] Results { get; } = new OutcomeClass[recipients];

        public void Reply(int code)
        {
            if (_ended)
            {
                return;
            }
            int at = _reply++;
            int kind = code / 100;
            if (code is 0 or 421 || (at < recipients + 1 && kind == 3) || (at == recipients + 1 && kind == 2))
            {
                Rest(OutcomeClass.Deferred);
                _ended = true;
                if (code is not (0 or 421))
                {
                    // Out of step before 354: a refusal may be another's.
                    Doubt();
                }
                return;
            }
            if (_mailFailed && at > 0 && at <= recipients && kind == 2)
            {
                Doubt();
                _ended = true;
                return;
            }
            _mailFailed |= at == 0 && kind == 5;
            if (at == 0)
            {
                Judge(kind != 2, kind);
            }
            else if (at <= recipients)
            {
                if (Results[at - 1] == OutcomeClass.None && kind != 2)
                {
                    // 552 to RCPT is an old way to say 452 (RFC 5321 4.5.3.1.10).
                    Results[at - 1] = kind == 4 || code == 552 ? OutcomeClass.Deferred : OutcomeClass.Failed;
                }
            }
            else if (at == recipients + 1)
            {
                Judge(kind != 3, kind);
            }
            else
            {
                Rest(kind switch { 2 => OutcomeClass.Delivered, 5 => OutcomeClass.Failed, _ => OutcomeClass.Deferred });
                _ended = true;
            }
        }

        private void Doubt()
        {
            foreach (ref OutcomeClass result in Results.AsSpan())
            {
                result = result == OutcomeClass.Failed ? OutcomeClass.Deferred : result;
            }
        }

        private void Judge(bool refused, int kind)
        {
            if (refused)
            {
                Rest(kind == 5 ? OutcomeClass.Failed : OutcomeClass.Deferred);
            }
        }

        private void Rest(OutcomeClass result)
        {
            for (int i = 0; i < recipients; i++)
            {
                Results[i] = Results[i] == OutcomeClass.None ? result : Results[i];
            }
        }
    }
}
