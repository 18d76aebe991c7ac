using System.Diagnostics;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>A full file system: new mail waits at the client, what is queued goes out, and nothing acknowledged is lost.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly string _folder = Place.NewFolder("disk");
    private readonly Sink _sink = new(Place.NewAddress());

    public FullDiskTests() => Tool.Run("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", _folder]).Ok();

    public void Dispose()
    {
        _sink.Dispose();
        Tool.Run("umount", ["-l", _folder]);
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_full_disk_refuses_mail_for_now_goes_on_delivering_and_recovers_by_itself()
    {
        bool open = false;
        _sink.Answer = (verb, _) => !open && verb == "RCPT" ? "451 4.2.1 not yet" : null;
        using var relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint, """
            [limits]
            segment_bytes = "4MiB"
            free_bytes_floor = "4MiB"
            """), Path.Combine(_folder, "relay"));
        relay.Start();
        string body = string.Concat(Enumerable.Repeat(new string('f', 76) + "\r\n", 1200));
        int acknowledged = Fill(relay, body, out string refusal);
        Assert.StartsWith("452 4.3.1", refusal);
        Assert.InRange(acknowledged, 20, 2000);
        // Ballast takes what the floor had kept: not even the spares can grow now.
        using (FileStream ballast = File.Create(Path.Combine(_folder, "ballast")))
        {
            try
            {
                byte[] block = new byte[65536];
                while (true)
                {
                    ballast.Write(block);
                    ballast.Flush(true);
                }
            }
            catch (IOException)
            {
                // Full.
            }
        }
        relay.Kill();
        relay.Start();
        Assert.Equal(acknowledged, relay.QueueCount());
        open = true;
        Tool.Until(() => _sink.Arrivals.Count >= acknowledged, 60, () => $"{_sink.Arrivals.Count} of {acknowledged} arrived\n{relay.Log}");
        relay.WaitForEmptyQueue(30);
        File.Delete(Path.Combine(_folder, "ballast"));
        var watch = Stopwatch.StartNew();
        string reply = "";
        while (!reply.StartsWith("250 2.0.0", StringComparison.Ordinal) && watch.Elapsed.TotalSeconds < 20)
        {
            using SmtpTalk talk = relay.Talk().Hello();
            reply = Send(talk, body);
            Thread.Sleep(100);
        }
        Assert.StartsWith("250 2.0.0", reply);
    }

    private static int Fill(RelayProcess relay, string body, out string refusal)
    {
        int acknowledged = 0;
        using SmtpTalk talk = relay.Talk().Hello();
        while (true)
        {
            refusal = Send(talk, body);
            if (!refusal.StartsWith("250 2.0.0", StringComparison.Ordinal))
            {
                return acknowledged;
            }
            acknowledged++;
        }
    }

    private static string Send(SmtpTalk talk, string body)
    {
        foreach (string line in new[] { "MAIL FROM:<f@example.test>", "RCPT TO:<full@example.test>", "DATA" })
        {
            string reply = talk.Say(line);
            if (reply[0] is '4' or '5')
            {
                talk.Say("RSET");
                return reply;
            }
        }
        return talk.Say(body + ".");
    }
}
