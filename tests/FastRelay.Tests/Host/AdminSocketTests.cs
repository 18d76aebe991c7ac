using System.Net.Sockets;
using System.Text;
using FastRelay.Host.Admin;
using FastRelay.Host.Commands;

namespace FastRelay.Tests.Host;

public sealed class AdminSocketTests : IAsyncLifetime
{
    private const string Token = "0123456789abcdef-secret";
    private ScriptedAdmin _admin = null!;

    private string Folder => Path.GetDirectoryName(_admin.ConfigFile)!;

    public async Task InitializeAsync() => _admin = await ScriptedAdmin.StartAsync(Token, socket: true);

    public async Task DisposeAsync() => await _admin.DisposeAsync();

    private static (int Code, string Output, string Error) Run(string config, params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = CommandLine.Run([.. arguments, "--config", config], output, error);
        return (code, output.ToString(), error.ToString());
    }

    private string Config(string admin)
    {
        string file = Path.Combine(Folder, Guid.NewGuid().ToString("N") + ".toml");
        File.WriteAllText(file, "[admin]\n" + admin);
        return file;
    }

    private async Task<string> AskAsync(string request)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(_admin.SocketPath));
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request.Replace("\n", "\r\n", StringComparison.Ordinal)));
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }

    [Fact]
    public void A_pipe_that_stands_there_is_left_alone_and_not_waited_for()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("fastrelay-pipe").FullName, "admin.sock");
        using var make = System.Diagnostics.Process.Start("mkfifo", [path]);
        make.WaitForExit();
        Assert.Contains("is no socket", Assert.Throws<IOException>(() => AdminSocket.Bind(path)).Message);
        Assert.True(File.Exists(path));
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Fact]
    public void Owner_and_group_may_use_it_and_nobody_else() => Assert.Equal(
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite,
        File.GetUnixFileMode(_admin.SocketPath));

    [Fact]
    public async Task The_file_says_who_may_so_neither_token_nor_host_is_asked_for()
    {
        Assert.Contains(" 200 ", await AskAsync("GET /api/status HTTP/1.0\nHost: anything.example\n\n"));
        Assert.Contains(" 200 ", await AskAsync("POST /api/queue/retry HTTP/1.0\nHost: x\nContent-Length: 12\n\n{\"all\":true}"));
        Assert.Contains(" 405 ", await AskAsync("DELETE /api/queue HTTP/1.0\nHost: x\n\n"));
        // The same by the address is refused as ever.
        using var http = new HttpClient();
        using HttpResponseMessage answer = await http.GetAsync(new Uri($"http://127.0.0.1:{_admin.Port}/api/status"));
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Theory]
    [InlineData("http = \"\"\nsocket = \"admin.sock\"\n")]
    [InlineData("http = \"127.0.0.1:1\"\ntoken_file = \"none\"\nsocket = \"admin.sock\"\n")]
    public void Commands_use_it_without_an_address_and_without_a_token_that_they_can_read(string admin)
        => Assert.Equal((0, "3\n", ""), Run(Config(admin), "queue", "list", "--count"));

    [Theory]
    [InlineData("127.0.0.1:1")]
    [InlineData("")]
    public void Commands_use_it_where_nobody_answers_at_the_address_or_it_knows_another_token(string address)
    {
        File.WriteAllText(Path.Combine(Folder, "old"), "the-token-of-yesterday\n");
        string http = address.Length > 0 ? address : $"127.0.0.1:{_admin.Port}";
        string config = Config($"http = \"{http}\"\ntoken_file = \"old\"\nsocket = \"admin.sock\"\n");
        Assert.Equal((0, "3\n", ""), Run(config, "queue", "list", "--count"));
        (int code, _, string error) = Run(config, "queue", "retry", "--all");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains(_admin.Desk.Asked, static asked => asked.StartsWith("Retry", StringComparison.Ordinal));
        (code, _, error) = Run(Config($"http = \"{http}\"\ntoken_file = \"old\"\nsocket = \"other.sock\"\n"), "queue", "list");
        Assert.Equal(address.Length > 0 ? ExitCode.Unreachable : ExitCode.Failure, code);
        Assert.Contains(address.Length > 0 ? "no relay answers on 127.0.0.1:1" : "the token shown is not the admin's", error);
    }

    [Fact]
    public async Task Many_silent_connections_shut_nobody_out_and_are_closed()
    {
        var silent = new List<TcpClient>();
        for (int i = 0; i < 100; i++)
        {
            silent.Add(new TcpClient());
            await silent[i].ConnectAsync(System.Net.IPAddress.Loopback, _admin.Port);
        }
        using var http = new HttpClient();
        Assert.Equal("ok\n", await http.GetStringAsync(new Uri($"http://127.0.0.1:{_admin.Port}/healthz")));
        foreach (TcpClient one in silent)
        {
            one.ReceiveTimeout = 60_000;
            Assert.Equal(0, await one.GetStream().ReadAsync(new byte[1]).AsTask().WaitAsync(TimeSpan.FromSeconds(60)));
            one.Dispose();
        }
    }

    [Fact]
    public void A_token_that_cannot_be_read_is_named_where_there_is_no_socket_either()
    {
        (int code, _, string error) = Run(Config("http = \"127.0.0.1:1\"\ntoken_file = \"none\"\nsocket = \"other.sock\"\n"), "queue", "list");
        Assert.Equal(ExitCode.BadConfig, code);
        Assert.Contains("admin.token_file: cannot be read", error);
    }

    [Fact]
    public void Nobody_there_is_exit_75_with_the_path()
    {
        (int code, _, string error) = Run(Config("http = \"\"\nsocket = \"other.sock\"\n"), "queue", "list");
        Assert.Equal(ExitCode.Unreachable, code);
        Assert.Contains($"no relay answers on {Path.Combine(Folder, "other.sock")}", error);
    }

    [Fact]
    public async Task A_socket_of_a_dead_process_is_replaced()
    {
        string path = Path.Combine(Folder, "stale.sock");
        using (var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            dead.Bind(new UnixDomainSocketEndPoint(path + ".bound"));
            // As a process that was killed leaves it: the runtime removes the name that it knows.
            File.Move(path + ".bound", path);
        }
        Assert.True(File.Exists(path));
        using var server = new AdminServer(null, path, "relay.test", new ScriptedDesk());
        Assert.Empty(await server.StartAsync());
        Assert.Equal((0, "3\n", ""), Run(Config("http = \"\"\nsocket = \"stale.sock\"\n"), "queue", "list", "--count"));
        await server.StopAsync();
    }

    [Fact]
    public async Task One_that_is_listened_on_is_left_alone_and_so_is_what_is_no_socket()
    {
        using (var second = new AdminServer(null, _admin.SocketPath, "relay.test", new ScriptedDesk()))
        {
            Assert.Equal([$"admin.socket {_admin.SocketPath}: another process answers there"], await second.StartAsync());
        }
        Assert.Contains(" 200 ", await AskAsync("GET /healthz HTTP/1.0\nHost: x\n\n"));
        string file = Path.Combine(Folder, "mail.txt");
        await File.WriteAllTextAsync(file, "dear");
        using var third = new AdminServer(null, file, "relay.test", new ScriptedDesk());
        Assert.Contains("is no socket, and is left alone", Assert.Single(await third.StartAsync()));
        Assert.Equal("dear", await File.ReadAllTextAsync(file));
    }

    [Fact]
    public async Task An_address_that_is_taken_does_not_shut_the_socket()
    {
        string path = Path.Combine(Folder, "two.sock");
        using var server = new AdminServer(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, _admin.Port), path, "relay.test", new ScriptedDesk());
        Assert.Contains($"admin.http 127.0.0.1:{_admin.Port}: ", Assert.Single(await server.StartAsync()));
        Assert.Equal(path, server.SocketPath);
        Assert.Equal((0, "3\n", ""), Run(Config("http = \"\"\nsocket = \"two.sock\"\n"), "queue", "list", "--count"));
        await server.StopAsync();
    }
}
