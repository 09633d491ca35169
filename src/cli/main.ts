// The program: composition root. One file a subcommand stands beside this one.
process.stdout.write('lanyard\n')
