using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using FastRelay.Host.Admin;
using FastRelay.Host.Commands;

namespace FastRelay.Tests.Host;

public sealed class QueueCommandTests : IAsyncLifetime
{
    private ScriptedAdmin _admin = null!;

    public async Task InitializeAsync() => _admin = await ScriptedAdmin.StartAsync();

    public async Task DisposeAsync() => await _admin.DisposeAsync();

    private (int Code, string Output, string Error) Run(string line) => Run([.. line.Split(' '), "--config", _admin.ConfigFile]);

    private static (int Code, string Output, string Error) Run(string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = CommandLine.Run(arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }

    [Fact]
    public void List_walks_all_pages_and_says_what_waits_and_why()
    {
        (int code, string output, string error) = Run("queue list");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("0000000000001", output);
        Assert.Contains("0000000000003", output);
        Assert.Contains("r@one.test", output);
        Assert.Contains("deferred after 2 attempts: 451 4.2.1 mailbox busy", output);
        Assert.Contains("1.5 KiB", output);
        Assert.Contains("  <>\n", output);
    }

    [Fact]
    public void What_a_peer_sent_cannot_steer_the_terminal()
    {
        string output = Run("queue list --id 0000000000003").Output;
        Assert.Contains(@"line one\x0d\x0aline \x1b[31m two", output);
        Assert.DoesNotContain('\u001b', output);
        Assert.Contains(@"\x1b[31m", Run("queue show 0000000000003").Output);
    }

    [Theory]
    [InlineData("plain größe", "plain größe")]
    [InlineData("a\u202Etxt.exe", @"a\x202etxt.exe")]
    [InlineData("a\u2066b\u2069", @"a\x2066b\x2069")]
    [InlineData("\u009b31m", @"\x9b31m")]
    public void What_turns_the_writing_direction_is_shown_by_its_number(string text, string shown) => Assert.Equal(shown, QueueListCommand.Printable(text));

    [Fact]
    public void Ids_are_asked_for_once_each_and_in_requests_of_a_thousand()
    {
        string[] ids = [.. Enumerable.Range(0, 1_001).Select(static i => $"{i:0000000000000}")];
        _admin.Desk.Already = 2;
        (_, _, string error) = Run(["queue", "hold", .. ids, .. ids, "--config", _admin.ConfigFile]);
        Assert.Contains("4 messages are left as they are: held before", error, StringComparison.Ordinal);
        Assert.Equal(2, _admin.Desk.Asked.Count);
        Assert.EndsWith("ids=0000000001000 domain= all=False", _admin.Desk.Asked[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Count_prints_the_number_alone()
    {
        Assert.Equal("3\n", Run("queue list --count").Output);
        Assert.Equal("2\n", Run("queue list --count --domain two.test").Output);
        Assert.Equal("{\"count\":1}\n", Run("queue list --count --json --state ready").Output);
    }

    [Fact]
    public void Json_is_one_array_of_all_pages()
    {
        using JsonDocument all = JsonDocument.Parse(Run("queue list --json").Output);
        Assert.Equal(["0000000000001", "0000000000002", "0000000000003"], all.RootElement.EnumerateArray().Select(i => i.GetProperty("id").GetString()));
        using JsonDocument none = JsonDocument.Parse(Run("queue list --json --domain none.test").Output);
        Assert.Equal(0, none.RootElement.GetArrayLength());
        using JsonDocument two = JsonDocument.Parse(Run("queue list --json --limit 1").Output);
        Assert.Equal(1, two.RootElement.GetArrayLength());
        using JsonDocument one = JsonDocument.Parse(Run("queue show 0000000000001 --json").Output);
        Assert.Equal("451 4.2.1 mailbox busy", one.RootElement.GetProperty("destinations")[0].GetProperty("reason").GetString());
    }

    [Fact]
    public void Nothing_is_said_in_words()
    {
        Assert.Equal("nothing in the queue that matches\n", Run("queue list --domain none.test").Output);
        (int code, _, string error) = Run("queue show 0000000000009");
        Assert.Equal(ExitCode.Failure, code);
        Assert.Contains("no message 0000000000009 in the queue", error);
    }

    [Theory]
    [InlineData("queue retry 0000000000001 0000000000002", "Retry ids=0000000000001+0000000000002 domain= all=False", "2 messages to be tried now")]
    [InlineData("queue remove --domain two.test", "Remove ids= domain=two.test all=False", "1 message removed")]
    [InlineData("queue hold --all", "Hold ids= domain= all=True", "3 messages held")]
    [InlineData("queue release --all", "Release ids= domain= all=True", "3 messages released")]
    [InlineData("queue bounce 0000000000001", "Bounce ids=0000000000001 domain= all=False", "1 message bounced")]
    [InlineData("queue bounce --older 1h --text gone", "Bounce ids= domain= all=False older=3600 text=gone", "1 message bounced")]
    [InlineData("queue move --to smtp:[192.0.2.1]:25 0000000000001", "Move ids=0000000000001 domain= all=False to=smtp:[192.0.2.1]:25", "1 message moved")]
    [InlineData("queue move --to config --all", "Move ids= domain= all=True to=config", "3 messages moved")]
    [InlineData("queue move --domain two.test --to route:*", "Move ids= domain=two.test all=False to=route:*", "1 message moved")]
    public void A_change_is_asked_for_and_told(string line, string asked, string told)
    {
        (int code, string output, string error) = Run(line);
        Assert.Equal((0, told + "\n", ""), (code, output, error));
        Assert.Equal([asked], _admin.Desk.Asked);
    }

    [Theory]
    [InlineData("queue move --all", "Option '--to' is required")]
    [InlineData("queue move --all --to nowhere", "\"nowhere\" is nowhere to move mail to: write \"smtp:host:port\"")]
    [InlineData("queue move --all --to smtp:[x", "the bracket is not closed")]
    public void A_move_says_where_to(string line, string says)
    {
        (int code, _, string error) = Run(line);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains(says, error);
        Assert.Empty(_admin.Desk.Asked);
    }

    [Theory]
    [InlineData("queue", "remove", "--domain", "")]
    [InlineData("queue", "list", "--site", "")]
    [InlineData("queue", "bounce", "--sender", "", "--state", "held")]
    public void An_empty_condition_is_a_variable_that_was_not_set(params string[] arguments)
    {
        (int code, _, string error) = Run([.. arguments, "--config", _admin.ConfigFile]);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("is empty: leave it out", error);
        Assert.Empty(_admin.Desk.Asked);
    }

    [Theory]
    [InlineData("queue remove")]
    [InlineData("queue retry")]
    [InlineData("queue remove --all 0000000000001")]
    [InlineData("queue remove --all --domain two.test")]
    [InlineData("queue remove 0000000000001 --domain two.test")]
    public void A_change_without_one_clear_selection_is_refused_before_anything_is_asked(string line)
    {
        (int code, _, string error) = Run(line);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("which messages: give ids, or --sender", error);
        Assert.Empty(_admin.Desk.Asked);
    }

    [Fact]
    public void What_was_not_done_is_told_with_the_reason_and_what_is_done_later_too()
    {
        Assert.Empty(QueueChangeCommand.Notes(QueueAction.Hold, new QueueChange(3, [])));
        Assert.Equal(
            ["2 of them are being delivered: what is left then is held", "4 messages are left as they are: held before", "1 message is left as it is: being removed, bounced or given up", "1 message is left as it is: its envelope cannot be read"],
            QueueChangeCommand.Notes(QueueAction.Hold, new QueueChange(3, []) { Later = 2, Already = 4, Ending = 1, Unreadable = 1 }));
        Assert.Equal(
            ["it is being delivered: what is left then is tried at once", "1 message is left as it is: held, until it is released"],
            QueueChangeCommand.Notes(QueueAction.Retry, new QueueChange(1, []) { Later = 1, Held = 1 }));
        Assert.Equal(
            ["not held", "being removed before", "being bounced before", "there before"],
            ((QueueAction[])[QueueAction.Release, QueueAction.Remove, QueueAction.Bounce, QueueAction.Move])
                .SelectMany(static action => QueueChangeCommand.Notes(action, new QueueChange(0, []) { Already = 1 })).Select(static note => note[(note.IndexOf(": ", StringComparison.Ordinal) + 2)..]));
    }

    [Fact]
    public void An_id_that_is_gone_is_named_and_the_exit_code_says_so()
    {
        (int code, string output, string error) = Run("queue remove 0000000000001 0000000000009");
        Assert.Equal(ExitCode.Failure, code);
        Assert.Equal("1 message removed\n", output);
        Assert.Contains("no message 0000000000009 in the queue", error);
    }

    [Theory]
    [InlineData("queue list --state lost", "'lost'")]
    [InlineData("queue list --older soon", "\"soon\" is no duration")]
    [InlineData("queue top --once --sites 51", "--sites must be 1 to 50")]
    [InlineData("queue top --once --interval 1ms", "no duration from 200ms to 1h")]
    [InlineData("queue list --limit 0", "--limit must be 1 or more")]
    [InlineData("queue shwo x", "did you mean: fastrelay queue show")]
    public void A_wrong_option_is_a_usage_error(string line, string expected)
    {
        (int code, _, string error) = Run(line);
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains(expected, error);
    }

    [Fact]
    public void A_long_change_goes_on_part_by_part()
    {
        _admin.Desk.Parts = 3;
        (int code, string output, string error) = Run("queue remove --domain two.test");
        Assert.Equal((0, "3 messages removed\n", ""), (code, output, error));
        Assert.Equal(["0 65536", "100 65536", "200 65536"], _admin.Desk.Cursors);
    }

    [Fact]
    public void Top_shows_the_busiest_sites_and_what_they_do_in_an_interval()
    {
        (int code, string output, string error) = Run("queue top --once --interval 200ms");
        Assert.Equal((0, ""), (code, error));
        string[] lines = output.Split('\n');
        Assert.StartsWith("0 messages: 0 ready", lines[0]);
        Assert.Matches("^SITE +READY +HIGH +LOW +SENDING +DEFERRED +MSG/S +SESSIONS GEAR$", lines[1]);
        Assert.Matches(@"^<script>alert\(1\)</script> \(12 sites\) +5 +2 +1 +1 +70 +[0-9.]+ +1/4 backoff 30 s: 421 4\.7\.0 slow down$", lines[2]);
        Assert.True(double.Parse(System.Text.RegularExpressions.Regex.Match(lines[2], @" ([0-9.]+) +1/4").Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture) > 0);
    }

    [Fact]
    public void A_relay_that_does_not_run_is_exit_75_and_named()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        string file = _admin.ConfigFile + ".other";
        File.WriteAllText(file, $"[admin]\nhttp = \"127.0.0.1:{port}\"\n");
        (int code, _, string error) = Run(["queue", "list", "--config", file]);
        Assert.Equal(ExitCode.Unreachable, code);
        Assert.Contains($"no relay answers on 127.0.0.1:{port}", error);
    }

    [Fact]
    public void Without_an_admin_address_the_configuration_is_named()
    {
        string file = _admin.ConfigFile + ".off";
        File.WriteAllText(file, "[admin]\nhttp = \"\"\nsocket = \"\"\n");
        (int code, _, string error) = Run(["queue", "list", "--config", file]);
        Assert.Equal(ExitCode.BadConfig, code);
        Assert.Contains("admin.http and admin.socket are \"\"", error);
    }

    [Fact]
    public void A_wrong_configuration_is_told_before_anything_is_asked()
    {
        string file = _admin.ConfigFile + ".bad";
        File.WriteAllText(file, "[admin]\nhtpp = \"\"\n");
        (int code, _, string error) = Run(["queue", "list", "--config", file]);
        Assert.Equal(ExitCode.BadConfig, code);
        Assert.Contains($"{file}:2: admin.htpp: unknown key; did you mean \"http\"?", error);
    }

    [Theory]
    [InlineData("queue suspend --site one.test --for 2h", "suspend one.test 7200")]
    [InlineData("queue suspend --site one.test", "suspend one.test ")]
    [InlineData("queue resume --site one.test", "resume one.test ")]
    [InlineData("queue suspend --tenant Acme --for 90s", "suspend tenant:Acme 90")]
    [InlineData("queue suspend --source out1", "suspend source:out1 ")]
    [InlineData("queue resume --tenant Acme", "resume tenant:Acme ")]
    [InlineData("queue suspend", null)]
    public void Sites_are_suspended_and_resumed_and_what_is_suspended_is_listed(string line, string? asked)
    {
        (int code, string output, string error) = Run(line);
        Assert.Equal((0, "one.test  until it is resumed\ntwo.test  until 2026-01-02 03:04:05Z\n", ""), (code, output, error));
        Assert.Equal(asked, _admin.Desk.Asked.SingleOrDefault());
        using JsonDocument json = JsonDocument.Parse(Run(line + " --json").Output);
        Assert.Equal(2, json.RootElement.GetProperty("suspensions").GetArrayLength());
    }

    [Fact]
    public void A_suspension_that_is_for_nobody_now_says_so()
    {
        (int code, string output, string error) = Run("queue suspend --site typo.test");
        Assert.Equal((0, "typo.test  until it is resumed\n"), (code, output));
        Assert.StartsWith("fastrelay: no site of now is \"typo.test\" or at it: it waits for one", error);
    }

    [Theory]
    [InlineData("queue resume", 2, "what: one of --site, --tenant and --source")]
    [InlineData("queue suspend --site a --tenant b", 2, "what: one of --site, --tenant and --source")]
    [InlineData("queue suspend --for 2h", 2, "--for needs --site, --tenant or --source")]
    [InlineData("queue suspend --site a --for soon", 2, "is no duration")]
    [InlineData("queue resume --site wrong", 1, "\"wrong\" is not suspended")]
    public void A_wrong_suspension_is_refused_clearly(string line, int code, string says)
    {
        (int got, string output, string error) = Run(line);
        Assert.Equal((code, ""), (got, output));
        Assert.Contains(says, error);
    }
}
