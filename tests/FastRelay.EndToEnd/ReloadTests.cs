using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>A relay that runs reads its configuration again.</summary>
public sealed class ReloadTests
{
    private const int Senders = 4;
    private const int Each = 150;

    [Fact]
    public void Under_load_nothing_is_lost_refused_or_sent_twice()
    {
        using var first = new Sink(Place.NewAddress());
        using var second = new Sink(Place.NewAddress());
        using var relay = new RelayProcess(RelayProcess.SmarthostConfig(first.EndPoint)).Start();
        string text = File.ReadAllText(relay.ConfigFile);
        string other = text.Replace(first.EndPoint.ToString().Replace(":", "]:", StringComparison.Ordinal), second.EndPoint.ToString().Replace(":", "]:", StringComparison.Ordinal), StringComparison.Ordinal)
            + "[limits]\nsend_sessions_per_site = 3\nmessages_per_connection = 7\n";
        Assert.NotEqual(text, other);
        int refused = 0;
        Thread[] senders = [.. Enumerable.Range(0, Senders).Select(s => new Thread(() =>
        {
            using SmtpTalk talk = relay.Talk().Hello();
            for (int i = 0; i < Each; i++)
            {
                talk.Say($"MAIL FROM:<s{s}@sender.test>");
                talk.Say($"RCPT TO:<r{s}-{i}@{(i % 3 == 0 ? "a" : "b")}.test>");
                talk.Say("DATA");
                if (!talk.Say($"Subject: {s}-{i}\r\n\r\nhello\r\n.").StartsWith("250 ", StringComparison.Ordinal))
                {
                    Interlocked.Increment(ref refused);
                }
            }
        }))];
        Array.ForEach(senders, static thread => thread.Start());
        int reloads = 0;
        while (reloads < 6 || senders.Any(static thread => thread.IsAlive))
        {
            File.WriteAllText(relay.ConfigFile, reloads % 2 == 0 ? other : text);
            string said = relay.Command("reload").Ok().Output;
            Assert.StartsWith("in force now:\n", said);
            Assert.Contains("route[1].to: ", said);
            reloads++;
        }
        Array.ForEach(senders, static thread => thread.Join());
        relay.WaitForEmptyQueue();
        Assert.Equal(0, refused);
        string[] arrived = [.. first.Arrivals.Concat(second.Arrivals).Select(static a => a.To.Single()).Order(StringComparer.Ordinal)];
        string[] sent = [.. Enumerable.Range(0, Senders).SelectMany(static s => Enumerable.Range(0, Each).Select(i => $"r{s}-{i}@{(i % 3 == 0 ? "a" : "b")}.test")).Order(StringComparer.Ordinal)];
        Assert.Equal(sent, arrived);
        Assert.NotEmpty(first.Arrivals);
        Assert.NotEmpty(second.Arrivals);
        Assert.Equal(0, relay.Stop());
    }

    [Fact]
    public void A_file_that_is_wrong_changes_nothing_and_is_told_with_its_lines()
    {
        using var sink = new Sink(Place.NewAddress());
        const string Token = "0123456789abcdef-secret";
        using var relay = new RelayProcess(RelayProcess.SmarthostConfig(sink.EndPoint, "token_file = \"{folder}/token\"\n"));
        File.WriteAllText(Path.Combine(relay.Folder, "token"), Token + "\n");
        File.SetUnixFileMode(Path.Combine(relay.Folder, "token"), UnixFileMode.UserRead);
        relay.Start();
        string text = File.ReadAllText(relay.ConfigFile);
        File.WriteAllText(relay.ConfigFile, text + "[limits]\nhops = 0\nidel_timeout = \"5m\"\n");
        // The command reads the file too; the request itself is what a relay answers.
        using var http = new HttpClient();
        using var body = new StringContent("{}", null, "application/json");
        http.DefaultRequestHeaders.Authorization = new("Bearer", Token);
        using HttpResponseMessage answer = http.PostAsync(new Uri($"http://127.0.0.1:{relay.AdminPort}/api/reload"), body).GetAwaiter().GetResult();
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        http.DefaultRequestHeaders.Authorization = new("Bearer", Token + "x");
        using var again = new StringContent("{}", null, "application/json");
        using HttpResponseMessage refused = http.PostAsync(new Uri($"http://127.0.0.1:{relay.AdminPort}/api/reload"), again).GetAwaiter().GetResult();
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Tool.Until(() => relay.Log.Contains("event=admin_token peer=127.0.0.1:", StringComparison.Ordinal), 10, () => relay.Log);
        string said = answer.Content.ReadAsStringAsync().GetAwaiter().GetResult();
        int line = text.Count(static c => c == '\n') + 2;
        Assert.Contains($"fastrelay.toml:{line}: limits.hops: ", said);
        Assert.Contains($"fastrelay.toml:{line + 1}: limits.idel_timeout: ", said);
        relay.Signal("HUP");
        Tool.Until(() => relay.Log.Split("event=reload_failed").Length >= 5, 10, () => relay.Log);
        Assert.DoesNotContain("event=reloaded", relay.Log);
        File.WriteAllText(relay.ConfigFile, text);
        Assert.Equal("no difference from what is in force\n", relay.Command("check", "--diff").Ok().Output);
        Assert.Equal("nothing has changed\n", relay.Command("reload").Ok().Output);
        // The command came by the socket, or showed the token of the file.
        Tool.Until(() => relay.Log.Contains("event=operator act=reload by=", StringComparison.Ordinal), 10, () => relay.Log);
        relay.Command("queue", "hold", "--all").Ok();
        Tool.Until(() => relay.Log.Contains("event=operator act=hold by=", StringComparison.Ordinal), 10, () => relay.Log);
    }

    [Fact]
    public void A_session_keeps_what_it_began_with_and_what_needs_a_restart_is_named()
    {
        using var sink = new Sink(Place.NewAddress());
        using var relay = new RelayProcess(RelayProcess.SmarthostConfig(sink.EndPoint)).Start();
        using SmtpTalk before = relay.Talk().Hello();
        string text = File.ReadAllText(relay.ConfigFile);
        File.WriteAllText(relay.ConfigFile, text.Replace("\"relay.test\"", "\"other.test\"", StringComparison.Ordinal) + "[limits]\nmessage_bytes = \"1MiB\"\n");
        string diff = relay.Command("check", "--diff").Ok().Output;
        Assert.Equal("  hostname: \"relay.test\" -> \"other.test\"\n  limits.message_bytes: \"50MiB\" -> \"1MiB\"\n", diff);
        relay.Signal("HUP");
        Tool.Until(() => relay.Log.Contains("event=reloaded", StringComparison.Ordinal), 10, () => relay.Log);
        Assert.Equal(
            "nothing has changed\nneeds a restart:\n  hostname: \"relay.test\" -> \"other.test\"\n",
            relay.Command("reload").Ok().Output);
        Assert.Contains("SIZE 52428800", before.Say("EHLO client.test"));
        using SmtpTalk after = relay.Talk();
        Assert.StartsWith("220 relay.test ", after.Read());
        Assert.Contains("SIZE 1048576", after.Say("EHLO client.test"));
    }
}
